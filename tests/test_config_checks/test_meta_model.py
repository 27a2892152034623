"""Shapes without weights are those of the real model."""

import copy

import pytest
import torch
from mmengine.registry import MODELS

from cankd_mm.config_checks.meta_model import meta_model, recorded_shapes
from tests import tiny_models

MODEL_CONFIGS = [
    tiny_models.retinanet,
    tiny_models.faster_rcnn,
    tiny_models.fcn,
]


@pytest.mark.parametrize('make', MODEL_CONFIGS)
def test_weights_have_the_shapes_of_a_real_model(make):
    config = make()
    real = MODELS.build(copy.deepcopy(config))
    model = meta_model(config, 'mmengine')
    assert all(p.is_meta for p in model.parameters())
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in real.state_dict().items()
    }


@pytest.mark.parametrize('dcn', ['DCN', 'DCNv2'])
def test_features_have_the_shapes_of_a_real_forward(dcn):
    config = tiny_models.retinanet()
    config.backbone.update(depth=50)  # DCN needs bottlenecks
    config.neck.in_channels = [32, 64, 128, 256]
    config.backbone.update(
        dcn=dict(type=dcn, deform_groups=1),
        stage_with_dcn=(False, False, True, True),
    )
    model = meta_model(config, 'mmengine')
    records, size = recorded_shapes(
        model, {'neck': 1, 'backbone.layer3': 1, 'nowhere': 1}
    )
    assert size == (512, 512)
    config.backbone.update(dcn=None)
    real = MODELS.build(config).eval()
    with torch.no_grad():
        features = real.extract_feat(torch.zeros(1, 3, *size))
    assert records['neck'] == [tuple(f.shape for f in features)]
    assert records['backbone.layer3'] == [(1, 128, 32, 32)]
    assert 'nowhere' not in records


def test_segmentor_is_shown_an_image_of_its_crop_size():
    config = tiny_models.fcn()
    config.data_preprocessor.size = (64, 128)
    model = meta_model(config, 'mmengine')
    records, size = recorded_shapes(model, {'backbone.layer1': 1})
    assert size == (64, 128)
    assert records['backbone.layer1'] == [(1, 8, 16, 32)]


def test_random_stream_and_config_are_left_alone():
    config = tiny_models.retinanet(base_channels=16)
    before, state = copy.deepcopy(config), torch.get_rng_state()
    recorded_shapes(meta_model(config, 'mmengine'), {'neck': 1})
    assert config == before
    assert torch.equal(state, torch.get_rng_state())


def test_model_that_cannot_be_built_is_none():
    assert meta_model(dict(type='NoSuchModel'), 'mmdet') is None
