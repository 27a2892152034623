"""Small copies of model configs."""

import pytest
from mmengine.config import ConfigDict

from tests.families import small_models


@pytest.mark.parametrize(
    ('width', 'channels'),
    [(16, [64, 128, 256, 512]), (32, [128, 256, 512, 1024])],
)
def test_a_narrow_resnet_and_the_neck_that_takes_it(width, channels):
    model = ConfigDict(
        backbone=dict(type='ResNet', depth=50),
        neck=dict(in_channels=[256, 512, 1024, 2048], out_channels=256),
    )
    found = small_models.narrowed(model, width)
    assert found.backbone.base_channels == width
    assert found.neck.in_channels == channels
    assert found.neck.out_channels == 256
    assert 'base_channels' not in model.backbone


def test_a_thin_hourglass():
    from mmdet.registry import MODELS

    model = ConfigDict(
        backbone=dict(
            type='HourglassNet',
            downsample_times=5,
            num_stacks=2,
            stage_channels=[256, 256, 384, 384, 384, 512],
            stage_blocks=[2, 2, 2, 2, 2, 4],
        )
    )
    found = small_models.narrowed(model).backbone
    assert found.stage_channels == [64, 64, 96, 96, 96, 128]
    whole, thin = (
        sum(p.numel() for p in MODELS.build(config).parameters())
        for config in (model.backbone, found)
    )
    assert thin < whole / 5
