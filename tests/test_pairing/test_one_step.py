"""One training step on random images."""

import random

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import BaseModel

from cankd_mm.pairing.one_step import train_one_step
from tests import tiny_models

SGD = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
DETECTION_LOSSES = {'loss', 'loss_cls', 'loss_bbox'}
SEGMENTATION_LOSSES = {'loss', 'decode.loss_ce'}


def _config(model: dict, scope: str = 'mmdet', **others) -> Config:
    return Config(
        dict(model=model, default_scope=scope, optim_wrapper=SGD) | others
    )


def test_a_plain_detector():
    step = train_one_step(_config(tiny_models.retinanet()), (64, 96))
    assert step.losses.keys() == DETECTION_LOSSES
    parts = step.losses['loss_cls'] + step.losses['loss_bbox']
    assert step.losses['loss'] == pytest.approx(parts)
    assert 0 < step.seconds < 60


def test_a_plain_segmentor_is_trained_in_the_size_of_its_preprocessor():
    config = _config(tiny_models.fcn(), 'mmseg')
    step = train_one_step(config)
    assert step.losses.keys() >= SEGMENTATION_LOSSES
    assert train_one_step(config, (64, 64)).losses == step.losses
    assert train_one_step(config, (32, 64)).losses != step.losses


@pytest.mark.parametrize(
    ('model', 'scope'),
    [
        (tiny_models.retinanet_pair(), 'mmdet'),
        (tiny_models.fcn_pair(), 'mmseg'),
    ],
)
def test_a_distillation(model, scope):
    config = _config(
        model | dict(teacher_ckpt='not there.pth', student_ckpt='nor this'),
        scope,
    )
    step = train_one_step(config, (64, 64))
    (distilled,) = (k for k in step.losses if k.startswith('distill.'))
    assert step.losses[distilled] > 0
    assert step.losses['loss'] > step.losses[distilled]


def test_models_of_files_and_a_preprocessor_of_the_run(tmp_path):
    model = tiny_models.retinanet()
    preprocessor = model.pop('data_preprocessor')
    file = tmp_path / 'model.py'
    Config(
        dict(
            model=model, default_scope='mmdet', data_preprocessor=preprocessor
        )
    ).dump(file)
    pair = dict(tiny_models.retinanet_pair())
    pair['architecture'] = pair['teacher'] = dict(cfg_path=str(file))
    by_file = train_one_step(_config(pair), (64, 64))
    pair['architecture'] = pair['teacher'] = model
    config = _config(pair, data_preprocessor=preprocessor)
    assert train_one_step(config, (64, 64)).losses == by_file.losses
    assert 'data_preprocessor' not in config.model.architecture


def test_nothing_is_left_behind():
    config = _config(tiny_models.retinanet_pair())
    text = config.pretty_text
    hub = MessageHub.get_current_instance()
    info = dict(hub.runtime_info)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    torch_state = torch.get_rng_state()
    first = train_one_step(config, (64, 64))
    assert before == (random.getstate(), np.random.get_state()[1].tolist())
    assert torch.equal(torch_state, torch.get_rng_state())
    assert MessageHub.get_current_instance() is hub
    assert dict(hub.runtime_info) == info
    assert config.pretty_text == text
    random.seed(2), np.random.seed(2), torch.manual_seed(2)
    assert train_one_step(config, (64, 64)).losses == first.losses


def test_weights_of_files_are_left_out():
    model = tiny_models.retinanet()
    model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint='torchvision://resnet18'
    )
    train_one_step(_config(model), (64, 64))


def test_what_needs_several_processes_or_a_gpu():
    model = tiny_models.retinanet()
    model.backbone.norm_cfg = dict(type='SyncBN', requires_grad=True)
    model.data_preprocessor.batch_augments = [
        dict(type='BatchSyncRandomResize', random_size_range=(64, 128))
    ]
    wrapper = SGD | dict(type='AmpOptimWrapper', loss_scale='dynamic')
    step = train_one_step(_config(model, optim_wrapper=wrapper), (64, 64))
    assert step.losses.keys() == DETECTION_LOSSES


def test_the_optimizer_of_the_config_takes_the_step(monkeypatch):
    steps = []
    train_step = BaseModel.train_step

    def spy(model, data, wrapper):
        before = model.backbone.conv1.weight.detach().clone()
        logged = train_step(model, data, wrapper)
        change = (model.backbone.conv1.weight - before).abs().max().item()
        steps.append((wrapper.get_lr()['lr'], change, len(data['inputs'])))
        return logged

    monkeypatch.setattr(BaseModel, 'train_step', spy)
    wrapper = dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=0.5),
        accumulative_counts=4,
        clip_grad=dict(max_norm=1.0),
    )
    config = _config(tiny_models.retinanet(), optim_wrapper=wrapper)
    train_one_step(config, (64, 64), images=3)
    ((rate, change, images),) = steps
    assert rate == [0.5] and images == 3
    assert change == pytest.approx(0.5, rel=0.1)


def test_losses_that_are_not_finite_are_named():
    model = tiny_models.retinanet()
    model.bbox_head.loss_cls.loss_weight = float('nan')
    with pytest.raises(RuntimeError, match="not finite.*'loss_cls': nan"):
        train_one_step(_config(model), (64, 64))


def test_weights_that_are_not_finite_are_named():
    wrapper = dict(optimizer=dict(type='SGD', lr=float('inf')))
    config = _config(tiny_models.retinanet(), optim_wrapper=wrapper)
    with pytest.raises(RuntimeError, match='weight is not finite after'):
        train_one_step(config, (64, 64))


def test_a_distillation_without_a_distill_loss():
    model = tiny_models.retinanet_pair()
    model.distiller.distill_losses = {}
    model.distiller.loss_forward_mappings = {}
    with pytest.raises(RuntimeError, match=r"no loss 'distill\.\*'"):
        train_one_step(_config(model), (64, 64))


def test_features_that_do_not_fit():
    model = tiny_models.retinanet_pair()
    model.distiller.distill_losses.loss_distill.in_channels = 7
    with pytest.raises(ValueError, match='7'):
        train_one_step(_config(model), (64, 64))


@pytest.mark.parametrize('key', ['model', 'optim_wrapper'])
def test_a_config_that_cannot_train(key):
    config = _config(tiny_models.retinanet())
    config.pop(key)
    with pytest.raises(ValueError, match=f"no '{key}'"):
        train_one_step(config)
