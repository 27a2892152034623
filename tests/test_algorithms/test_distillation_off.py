"""A weight of 0, and a stopped distillation, are plain training."""

import functools
import json
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmrazor.engine.hooks import StopDistillHook
from mmrazor.registry import MODELS
from torch import nn

from tests import local_models, tiny_models
from tests.commands import run
from tests.local_models import FAMILIES

PAIRS = {
    'retinanet': (tiny_models.retinanet_pair, tiny_models.detection_batch),
    'fcn': (tiny_models.fcn_pair, tiny_models.segmentation_batch),
}


def _build(config: dict):
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def _optimizer(model) -> OptimWrapper:
    # With momentum, decay and clipping: whatever a step may depend on.
    return build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.1),
            clip_grad=dict(max_norm=0.1),
        ),
    )


def _train(model, batch, steps: int = 3, optimizer=None) -> list[float]:
    optimizer = optimizer or _optimizer(model)
    torch.manual_seed(1)
    return [
        float(model.train_step(batch(), optimizer)['loss'])
        for _ in range(steps)
    ]


def _assert_same(found: nn.Module, expected: nn.Module) -> None:
    state = tiny_models.student_state(found)
    for name, value in expected.state_dict().items():
        assert torch.equal(value, state[name]), name


def _fail(*_):
    raise RuntimeError('the teacher is not used')


def _fill(value: float):
    def fill(teacher: nn.Module) -> None:
        for parameter in teacher.parameters():
            parameter.data.fill_(value)

    return fill


TEACHERS = {
    'finite': lambda teacher: None,
    'NaN': _fill(float('nan')),
    'infinite': _fill(float('inf')),
    'raising': lambda teacher: teacher.register_forward_pre_hook(_fail),
}


@pytest.mark.parametrize('spoil', TEACHERS.values(), ids=TEACHERS)
@pytest.mark.parametrize('pair', PAIRS)
def test_weight_of_0_is_plain_training_whatever_the_teacher_does(pair, spoil):
    config, batch = PAIRS[pair]
    model = _build(config(distill_weight=0.0))
    spoil(model.teacher)
    losses, plain = _plainly_trained(pair)
    assert _train(model, batch) == losses
    _assert_same(model, plain)


@functools.cache
def _plainly_trained(pair: str) -> tuple[list[float], nn.Module]:
    config, batch = PAIRS[pair]
    plain = _build(config()['architecture'])
    return _train(plain, batch), plain


@pytest.mark.parametrize('how', ['NaN', 'raising'])
def test_training_goes_on_plainly_after_a_stop(how):
    model = _build(tiny_models.fcn_pair())
    _train(model, tiny_models.segmentation_batch)
    hook = StopDistillHook(stop_epoch=1)
    hook.before_train_epoch(
        SimpleNamespace(
            model=model, epoch=1, logger=SimpleNamespace(info=lambda _: None)
        )
    )
    TEACHERS[how](model.teacher)
    plain = _build(tiny_models.fcn_pair()['architecture'])
    plain.load_state_dict(tiny_models.student_state(model))
    _train(model, tiny_models.segmentation_batch)
    _train(plain, tiny_models.segmentation_batch)
    _assert_same(model, plain)


def test_two_processes_train_plainly_too(tmp_path):
    run(
        *(sys.executable, '-m', 'torch.distributed.run'),
        *('--standalone', '--nproc_per_node=2'),
        *('-m', 'tests.distributed_distillation_off', tmp_path / 'found.json'),
        CUDA_VISIBLE_DEVICES='',
        timeout=180,
    )
    found = json.loads((tmp_path / 'found.json').read_text())
    assert len(found) == 4
    for name, differences in found.items():
        assert differences == [], name


def test_neither_teacher_nor_connectors_nor_distill_losses_run():
    config = tiny_models.retinanet_pair(distill_weight=0.0)
    config.distiller.connectors = dict(
        same=dict(type='mmrazor.ProjectionConnector', out_channels=16)
    )
    mapping = config.distiller.loss_forward_mappings.loss_distill
    mapping.s_feature.update(connector='same')
    config.distiller.distill_losses.loss_distill.num_levels = 1
    mapping.s_feature.data_idx = mapping.t_feature.data_idx = 0
    model = _build(config)
    calls = []
    for module in (
        model.teacher,
        model.distiller.connectors['same'],
        model.distiller.distill_losses['loss_distill'],
    ):
        module.register_forward_pre_hook(lambda *_: calls.append(1))
    optimizer = _optimizer(model)
    batch = tiny_models.detection_batch
    _train(model, batch, 1, optimizer)
    assert calls == []
    # The attributes count, in every iteration.
    model.distill_weight = 1.0
    _train(model, batch, 1, optimizer)
    assert len(calls) == 3
    model.distillation_stopped = True
    _train(model, batch, 1, optimizer)
    assert len(calls) == 3
    model.distillation_stopped = False
    model.distill_weight = 0
    _train(model, batch, 1, optimizer)
    assert len(calls) == 3


@pytest.mark.parametrize('value', [1.0, float('nan'), float('inf')])
@pytest.mark.parametrize('how', ['weight', 'stopped'])
def test_parameters_of_the_distiller_get_a_gradient_of_0(how, value):
    model = _build(tiny_models.retinanet_pair())
    if how == 'weight':
        model.distill_weight = 0.0
    else:
        model.distillation_stopped = True
    parameters = list(model.distiller.parameters())
    assert parameters
    for parameter in parameters:
        parameter.data.fill_(value)
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    losses = model(**data, mode='loss')
    # A name that is reported no more is repeated in MMEngine's log.
    assert losses['distill.loss_distill'].item() == 0
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    total.backward()
    for parameter in parameters:
        assert parameter.grad is not None
        assert not parameter.grad.any()


def test_distiller_without_parameters_needs_none():
    config = tiny_models.retinanet_pair(
        distill_weight=0.0, loss=dict(type='mmrazor.L2Loss', normalize=False)
    )
    mapping = config.distiller.loss_forward_mappings.loss_distill
    mapping.s_feature.data_idx = mapping.t_feature.data_idx = 0
    model = _build(config)
    assert not list(model.distiller.parameters())
    plain = _build(config['architecture'])
    batch = tiny_models.detection_batch
    assert _train(model, batch) == _train(plain, batch)
    _assert_same(model, plain)


# ------------------------------------------------------------ local modules


@pytest.mark.parametrize('local_backward', [False, True])
@pytest.mark.parametrize('on', ['input', 'output'])
def test_local_modules_are_not_cut(on, local_backward):
    config = local_models.distillation(
        FAMILIES['ResNet'], on, local_backward=local_backward
    )
    model = _build(dict(config, distill_weight=0.0))
    TEACHERS['raising'](model.teacher)
    plain = _build(config['architecture'])
    batch = tiny_models.segmentation_batch
    assert _train(model, batch) == _train(plain, batch)
    _assert_same(model, plain)


def test_local_backward_needs_no_optimizer_with_a_weight_of_0(monkeypatch):
    monkeypatch.setattr(
        'cankd_mm.algorithms.local_module_distill.is_distributed', lambda: True
    )
    config = local_models.distillation(
        FAMILIES['ResNet'], 'output', local_backward=True, distill_weight=0.0
    )
    model = _build(config)
    data = model.data_preprocessor(tiny_models.segmentation_batch(), True)
    assert model(**data, mode='loss')['distill.loss_0'] == 0


def test_cuts_follow_the_weight_from_iteration_to_iteration():
    model = _build(local_models.distillation(FAMILIES['ResNet'], 'output'))
    batch = tiny_models.segmentation_batch
    for weight in (1.0, 0.0, 0.5):
        model.distill_weight = weight
        _train(model, batch, 1)
        assert [t.active for t in model._truncations] == [weight > 0] * 3


@pytest.mark.parametrize('local_backward', [False, True])
def test_loss_of_a_closed_module_is_not_computed(local_backward):
    config = local_models.distillation(
        FAMILIES['ResNet'],
        'output',
        open_every=10,
        local_backward=local_backward,
    )
    model, expected = _build(config), _build(config)
    for loss in list(model.distiller.distill_losses.values())[1:]:
        loss.register_forward_pre_hook(_fail)
    batch = tiny_models.segmentation_batch
    optimizer = _optimizer(model)
    assert _train(model, batch, 2, optimizer) == _train(expected, batch, 2)
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected.state_dict()[name]), name
    data = model.data_preprocessor(batch(), True)
    losses = model(**data, mode='loss')
    assert [losses[f'distill.loss_{k}'].item() > 0 for k in range(4)] == [
        True,
        *[False] * 3,
    ]


def test_closed_modules_of_a_shared_loss_get_gradients_too():
    config = local_models.distillation(
        FAMILIES['ResNet'], 'output', open_every=10
    )
    distiller = config.distiller
    # One loss for the second and the third module.
    distiller.distill_losses.loss_both = dict(type='mmrazor.SumOfMeans')
    distiller.loss_forward_mappings.loss_both = dict(
        first=dict(from_student=True, recorder='module1'),
        second=dict(from_student=True, recorder='module2'),
    )
    for k in (1, 2):
        del distiller.distill_losses[f'loss_{k}']
        del distiller.loss_forward_mappings[f'loss_{k}']
    model = _build(config)
    data = model.data_preprocessor(tiny_models.segmentation_batch(), True)
    model.parse_losses(model(**data, mode='loss'))[0].backward()
    for name, parameter in model.student.named_parameters():
        assert parameter.grad is not None, name


@MODELS.register_module(force=True)
class SumOfMeans(nn.Module):
    """The sum of the means of two maps."""

    def forward(self, first, second):
        return first.mean() + second.mean()
