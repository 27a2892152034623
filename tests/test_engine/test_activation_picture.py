"""The picture shows the activation maps that the loss compares."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmrazor.registry import MODELS
from PIL import Image

from cankd_mm.engine.activation_picture import (
    activation_pairs,
    save_activation_picture,
)
from cankd_mm.functional.lakd import activation_map, attention_loss
from cankd_mm.utils.model_config import build_model
from tests import local_models, tiny_models
from tests.commands import ROOT

RESNET = local_models.FAMILIES['ResNet']


def _lakd() -> dict:
    config = local_models.distillation(RESNET)
    for k, channels in enumerate(RESNET.channels):
        config.distiller.distill_losses[f'loss_{k}'] = dict(
            type='mmrazor.LAKDLoss',
            student_channels=channels,
            teacher_channels=channels,
            avg_weight=0.2,
            max_weight=0.7,
        )
    return config


def _pairs(config: dict):
    torch.manual_seed(0)
    model = MODELS.build(config).eval()
    data = model.data_preprocessor(tiny_models.segmentation_batch(), False)
    image = data['inputs'][:1]
    return model, image, activation_pairs(model, image, None)


def test_maps_are_those_of_the_features_with_the_weights_of_the_loss():
    model, image, pairs = _pairs(_lakd())
    assert [pair.student_module for pair in pairs] == [
        f'backbone.layer{k}' for k in (1, 2, 3, 4)
    ]
    for pair, network, found in (
        (pairs[0], model.student, pairs[0].student),
        (pairs[0], model.teacher, pairs[0].teacher),
    ):
        assert pair.teacher_module == 'backbone.layer1'
        with torch.no_grad():
            feature = network.backbone(image)[0]
        expected = activation_map(feature, (8, 8), 0.2, 0.7)
        torch.testing.assert_close(found.flatten()[None], expected)


def test_attention_loss_follows_from_the_cosine():
    model, image, pairs = _pairs(_lakd())
    with torch.no_grad():
        features = [
            network.backbone(image)[2]
            for network in (model.student, model.teacher)
        ]
    assert attention_loss(*features, 0.2, 0.7).item() == pytest.approx(
        2 - 2 * pairs[2].cosine, abs=1e-5
    )


def test_records_are_dropped():
    model, _, _ = _pairs(_lakd())
    for recorder in model.distiller.student_recorders.recorders.values():
        assert recorder.data_buffer == []


def test_each_level_of_a_tuple_has_a_row():
    config = tiny_models.distillation(
        tiny_models.retinanet(), tiny_models.retinanet(16)
    )
    model = MODELS.build(config).eval()
    pairs = activation_pairs(model, torch.randn(1, 3, 64, 64), None)
    assert [pair.student_module for pair in pairs] == [
        f'neck[{k}]' for k in range(5)
    ]


def test_tokens_alone_are_an_error_that_names_the_key():
    config = local_models.distillation(local_models.FAMILIES['ViT'])
    with pytest.raises(ValueError, match='loss_forward_mappings'):
        _pairs(config)


@pytest.fixture
def image(tmp_path):
    """A dark image with one bright patch in its upper right corner."""
    pixels = np.full((96, 96, 3), 20, dtype=np.uint8)
    pixels[16:40, 60:84] = 240
    Image.fromarray(pixels).save(tmp_path / 'image.png')
    return str(tmp_path / 'image.png')


@pytest.fixture
def checkpoint(tmp_path):
    path = str(ROOT / 'configs' / 'digits' / 'baseline_retinanet.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        student = build_model(dict(cfg_path=path), 'model')
    torch.save(dict(state_dict=student.state_dict()), tmp_path / 'last.pth')
    return str(tmp_path / 'last.pth')


def test_trained_teacher_looks_at_the_patch(image, checkpoint, tmp_path):
    cfg = Config.fromfile(ROOT / 'configs/digits/lakd_retinanet.py')
    pairs = save_activation_picture(
        cfg, checkpoint, image, tmp_path / 'out.png'
    )
    teacher = pairs[0].teacher  # 12 x 12 cells of 8 pixels
    row, column = divmod(teacher.argmax().item(), teacher.shape[1])
    assert 1 <= row <= 5 and 7 <= column <= 11
    picture = Image.open(tmp_path / 'out.png')
    assert picture.size[0] < picture.size[1]  # three rows of three


def test_plain_config_is_an_error(image, checkpoint, tmp_path):
    cfg = Config.fromfile(ROOT / 'configs/digits/baseline_retinanet.py')
    with pytest.raises(ValueError, match='no teacher'):
        save_activation_picture(cfg, checkpoint, image, tmp_path / 'out.png')


def test_missing_image_is_an_error_that_names_it(checkpoint, tmp_path):
    cfg = Config.fromfile(ROOT / 'configs/digits/lakd_retinanet.py')
    with pytest.raises(FileNotFoundError, match='nowhere.png'):
        save_activation_picture(
            cfg, checkpoint, 'nowhere.png', tmp_path / 'out.png'
        )
