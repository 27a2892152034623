"""Models with random weights, and what is done about these."""

import pytest
import torch
from mmengine.config import Config, ConfigDict
from torch import nn

from cankd_mm.pairing.random_batch import Labels, random_batch
from cankd_mm.pairing.random_model import (
    calibrate,
    for_one_process,
    random_model,
    settle,
    with_own_teacher,
    without_weights,
)
from tests import tiny_models

PRETRAINED = dict(type='Pretrained', checkpoint='torchvision://resnet18')


@pytest.mark.parametrize(
    ('init', 'expected'),
    [
        (PRETRAINED, None),
        (dict(PRETRAINED, type='mmengine.Pretrained'), None),
        (dict(checkpoint='a.pth'), None),
        ([PRETRAINED], None),
        (
            [dict(type='Normal', layer='Conv2d'), PRETRAINED],
            [dict(type='Normal', layer='Conv2d')],
        ),
        (dict(type='Normal', layer='Conv2d'),) * 2,
    ],
)
def test_weights_of_files_are_left_out(init, expected):
    model = ConfigDict(backbone=dict(init_cfg=init, pretrained='a.pth'))
    found = without_weights(model)
    assert found.backbone.init_cfg == expected
    assert found.backbone.pretrained is None
    assert model.backbone.pretrained == 'a.pth'


def test_norms_of_one_process():
    norm = dict(type='SyncBN', requires_grad=True)
    model = ConfigDict(
        neck=[dict(norm_cfg=norm)], data_preprocessor=dict(batch_augments=[1])
    )
    found = for_one_process(model)
    assert found.neck[0].norm_cfg == dict(type='BN', requires_grad=True)
    assert found.data_preprocessor == {}
    assert model.neck[0].norm_cfg.type == 'SyncBN'


def test_the_teacher_of_a_detector_is_read():
    path = 'configs/gfl/gfl_r50_fpn_1x_coco.py'
    found = with_own_teacher(ConfigDict(teacher_config=path))
    assert found.teacher_config.model.type == 'GFL'


def test_a_teacher_that_is_a_file_stays(tmp_path):
    file = tmp_path / 'teacher.py'
    Config(dict(model=dict())).dump(file)
    model = ConfigDict(teacher_config=str(file))
    assert with_own_teacher(model) == model


class _Deep(nn.Module):
    """Convolutions whose output grows tenfold with each."""

    def __init__(self):
        super().__init__()
        layers = []
        for _ in range(6):
            conv = nn.Conv2d(3, 3, 1)
            nn.init.constant_(conv.weight, 10 / 3)
            layers += [conv, nn.BatchNorm2d(3, momentum=0.2)]
        self.backbone = nn.Sequential(*layers)

    def data_preprocessor(self, batch, training):
        assert not training
        return dict(inputs=torch.stack(batch['inputs']).float() / 255)

    def extract_feat(self, inputs):
        return self.backbone(inputs)


@torch.no_grad()
def test_calibrated_features_are_of_usual_size():
    model = _Deep().eval()
    batch = random_batch(model, Labels(), 3, (64, 64))
    inputs = model.data_preprocessor(batch, False)['inputs']
    assert model.extract_feat(inputs).abs().max() > 1e3
    calibrate(model, batch)
    features = model.extract_feat(inputs)
    assert features.std() == pytest.approx(1, abs=1e-2)
    assert not any(module.training for module in model.modules())
    assert model.backbone[1].momentum == 0.2


def test_regression_of_cascades_starts_near_zero():
    model = nn.ModuleDict(
        dict(fc_reg=nn.Linear(4, 4), fc_cls=nn.Linear(4, 4), head=nn.Module())
    )
    model.head.fc_reg = nn.Linear(4, 4)
    before = model.head.fc_reg.weight.detach().clone()
    settle(model)
    assert torch.equal(model.head.fc_reg.weight, before * 0.01)


def test_weights_that_come_from_a_checkpoint_only():
    class Multimodal(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.full((8, 8), torch.nan))
            self.scale = nn.Parameter(torch.full((8,), torch.nan))
            self.bias = nn.Parameter(torch.ones(8))

    Multimodal.__name__ = 'MultimodalEncoderDecoder'
    model = Multimodal()
    settle(model)
    assert model.weight.isfinite().all() and model.scale.isfinite().all()
    assert model.bias.eq(1).all()


def test_a_random_model_is_initialized():
    config = tiny_models.fcn()
    config.backbone.init_cfg = PRETRAINED
    assert random_model(config, 'model').is_init
    assert config.backbone.init_cfg == PRETRAINED
