"""Local backward gives the parameters of the summed form."""

import gc
import weakref

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmrazor.registry import MODELS

from tests import local_models, tiny_models
from tests.local_models import FAMILIES

RESNET = FAMILIES['ResNet']
both_sides = pytest.mark.parametrize('on', ['input', 'output'])


class CpuAmpOptimWrapper(AmpOptimWrapper):
    """AmpOptimWrapper without the question whether there is a GPU."""

    def __init__(self, init_scale: float, enabled=True, **kwargs) -> None:
        OptimWrapper.__init__(self, **kwargs)
        self.loss_scaler = torch.amp.GradScaler(
            'cpu', init_scale=init_scale, growth_interval=2, enabled=enabled
        )
        self._scale_update_param = None
        self.cast_dtype = torch.bfloat16


def _build(config: dict):
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def _wrapper(model, kind=OptimWrapper, **kwargs) -> OptimWrapper:
    parameters = [p for p in model.parameters() if p.requires_grad]
    return kind(
        optimizer=torch.optim.SGD(
            parameters, lr=0.02, momentum=0.9, weight_decay=1e-4
        ),
        **kwargs,
    )


def _train(config: dict, steps: int = 5, dtype=torch.float64, **kwargs):
    """A model after some steps, what was logged, and the optimizer."""
    model = _build(config).to(dtype)
    wrapper = _wrapper(model, **kwargs)
    logs = [
        model.train_step(_batch(step, dtype), wrapper) for step in range(steps)
    ]
    return model, logs, wrapper


def _batch(step: int, dtype) -> dict:
    batch = tiny_models.segmentation_batch()
    batch['inputs'] = [
        (image.to(dtype) + 10 * step).clamp(max=255)
        for image in batch['inputs']
    ]
    return batch


def _lakd(family, on: str, **kwargs) -> dict:
    """With LAKD's losses and projections where features are maps."""
    config = local_models.distillation(family, on, **kwargs)
    wide = local_models.segmentor(family)
    wide.backbone.base_channels = 12
    wide.neck.in_channels = [12, 24, 48, 96]
    config.teacher = wide
    for k, channels in enumerate(family.channels):
        config.distiller.distill_losses[f'loss_{k}'] = dict(
            type='mmrazor.LAKDLoss',
            student_channels=channels,
            teacher_channels=12 * 2**k,
        )
    return config


def _assert_same_parameters(ours, theirs) -> None:
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter, expected[name], rtol=0, atol=1e-10, msg=name
        )


OPTIMIZERS = {
    'plain': dict(),
    'clipped': dict(clip_grad=dict(max_norm=0.1)),
    'accumulated': dict(accumulative_counts=2),
    'accumulated and clipped': dict(
        accumulative_counts=2, clip_grad=dict(max_norm=0.1)
    ),
}


@both_sides
@pytest.mark.parametrize('options', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_parameters_after_five_steps_are_those_of_the_summed_form(on, options):
    # Clipping takes the options apart, so that each run gets its own.
    steps = 5 * options.get('accumulative_counts', 1)
    early, early_logs, wrapper = _train(
        _lakd(RESNET, on, local_backward=True), steps, **_own(options)
    )
    summed, logs, other = _train(_lakd(RESNET, on), steps, **_own(options))
    _assert_same_parameters(early, summed)
    assert wrapper.inner_count == other.inner_count == steps
    start = _build(_lakd(RESNET, on)).double()
    assert not torch.equal(
        start.student.backbone.conv1.weight,
        early.student.backbone.conv1.weight,
    )
    for ours, theirs in zip(early_logs, logs, strict=True):
        assert list(ours) == list(theirs)
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name])


def _own(options: dict) -> dict:
    return {
        k: dict(v) if isinstance(v, dict) else v for k, v in options.items()
    }


@both_sides
@pytest.mark.parametrize('family', FAMILIES.values(), ids=FAMILIES)
def test_parameters_of_every_family_are_those_of_the_summed_form(family, on):
    early, *_ = _train(
        local_models.distillation(family, on, local_backward=True), 2
    )
    summed, *_ = _train(local_models.distillation(family, on), 2)
    _assert_same_parameters(early, summed)


@pytest.mark.skipif(
    not hasattr(torch.amp, 'GradScaler'), reason='no GradScaler for CPUs'
)
@both_sides
@pytest.mark.parametrize('options', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_gradient_scaler_scales_both_backwards_alike(on, options):
    options = dict(options, kind=CpuAmpOptimWrapper, init_scale=2.0**10)
    early, _, wrapper = _train(
        _lakd(RESNET, on, local_backward=True), 6, **_own(options)
    )
    summed, _, other = _train(_lakd(RESNET, on), 6, **_own(options))
    _assert_same_parameters(early, summed)
    assert wrapper.loss_scaler.get_scale() == other.loss_scaler.get_scale()
    assert wrapper.loss_scaler.get_scale() > 2.0**10


@pytest.mark.skipif(
    not hasattr(torch.amp, 'GradScaler'), reason='no GradScaler for CPUs'
)
@both_sides
def test_autocast_gives_the_summed_form_up_to_rounding(on):
    half = dict(
        steps=1,
        dtype=torch.float32,
        kind=CpuAmpOptimWrapper,
        init_scale=2.0**10,
    )
    early, *_ = _train(_lakd(RESNET, on, local_backward=True), **half)
    summed, *_ = _train(_lakd(RESNET, on), **half)
    exact, *_ = _train(_lakd(RESNET, on), steps=1, dtype=torch.float32)
    # bfloat16 adds up two backwards in another order, which is little beside
    # what it does to each of them.
    rounding = _distance(summed, exact)
    assert _distance(early, summed) < 0.05 * rounding


def _distance(ours, theirs) -> float:
    pairs = zip(
        ours.student.parameters(), theirs.student.parameters(), strict=True
    )
    return sum((a - b).square().sum().item() for a, b in pairs) ** 0.5


def test_overflow_of_a_local_loss_skips_the_step():
    config = _lakd(RESNET, 'output', local_backward=True)
    model = _build(config)
    wrapper = _wrapper(model, CpuAmpOptimWrapper, init_scale=2.0**10)
    before = model.student.neck.lateral_convs[0].conv.weight.clone()
    teacher = model.distiller.distill_losses['loss_0']
    teacher.loss_weight = float('inf')
    model.train_step(_batch(0, torch.float32), wrapper)
    assert torch.equal(model.student.neck.lateral_convs[0].conv.weight, before)
    assert wrapper.loss_scaler.get_scale() < 2.0**10


# ------------------------------------------------------------ what is early


def _backwards(model, monkeypatch) -> list[str]:
    """Names of modules that ran and losses that went backward, in order."""
    events = []
    for name in ('backbone.layer1', 'backbone.layer2', 'neck'):
        model.student.get_submodule(name).register_forward_pre_hook(
            lambda *_, name=name: events.append(name)
        )
    run = OptimWrapper.backward

    def backward(self, loss, **kwargs):
        events.append('backward')
        run(self, loss, **kwargs)

    monkeypatch.setattr(OptimWrapper, 'backward', backward)
    return events


def test_loss_is_back_propagated_before_the_next_module_runs(monkeypatch):
    model = _build(_lakd(RESNET, 'input', local_backward=True))
    events = _backwards(model, monkeypatch)
    model.train_step(_batch(0, torch.float32), _wrapper(model))
    assert events == [
        'backbone.layer1',
        'backward',
        'backbone.layer2',
        'backward',
        'backward',  # layer3
        'neck',
        'backward',  # the task and the last module
    ]


@both_sides
def test_graph_of_a_module_lives_as_long_as_the_task_loss_needs_it(on):
    model = _build(_lakd(RESNET, on, local_backward=True))
    alive = {}
    inside = model.student.backbone.layer1[0].conv1
    activations = []
    inside.register_forward_hook(
        lambda *args: activations.append(weakref.ref(args[2]))
    )

    def look(name):
        gc.collect()
        alive[name] = activations[-1]() is not None

    for name in ('backbone.layer2', 'decode_head.conv_seg'):
        model.student.get_submodule(name).register_forward_pre_hook(
            lambda *_, name=name: look(name)
        )
    model.train_step(_batch(0, torch.float32), _wrapper(model))
    expected = on == 'input'
    assert alive == {
        'backbone.layer2': expected,
        'decode_head.conv_seg': expected,
    }


def test_records_of_a_done_loss_are_dropped_at_once():
    model = _build(_lakd(RESNET, 'output', local_backward=True))
    buffers = []
    model.student.backbone.layer3.register_forward_pre_hook(
        lambda *_: buffers.extend(
            list(manager.get_recorder('module0').data_buffer)
            for manager in (
                model.distiller.student_recorders,
                model.distiller.teacher_recorders,
            )
        )
    )
    model.train_step(_batch(0, torch.float32), _wrapper(model))
    assert buffers == [[None], [None]]


def test_record_that_another_loss_waits_for_is_kept():
    config = _lakd(RESNET, 'output', local_backward=True)
    # One more loss takes two records: of this module and of the last.
    config.distiller.distill_losses.loss_more = dict(type='mmrazor.TwoMaps')
    config.distiller.loss_forward_mappings.loss_more = dict(
        first=dict(from_student=True, recorder='module0'),
        second=dict(from_student=True, recorder='module3'),
    )
    early, *_ = _train(config, 2)
    summed, *_ = _train(dict(config, local_backward=False), 2)
    _assert_same_parameters(early, summed)


@MODELS.register_module(force=True)
class TwoMaps(torch.nn.Module):
    """The product of the means of two maps."""

    def forward(self, first, second):
        return first.mean() * second.mean()


def test_statistics_beside_losses_are_reported_and_not_trained():
    config = _lakd(RESNET, 'output', local_backward=True)
    distiller = config.distiller
    distiller.distill_losses.distance = distiller.distill_losses.pop('loss_3')
    distiller.loss_forward_mappings.distance = (
        distiller.loss_forward_mappings.pop('loss_3')
    )
    early, logs, _ = _train(config, 1)
    summed, expected, _ = _train(dict(config, local_backward=False), 1)
    _assert_same_parameters(early, summed)
    assert logs[0]['distill.distance'] == expected[0]['distill.distance']


def test_closed_modules_are_those_of_the_summed_form():
    options = dict(open_every=10, distill_weight=3.0)
    early, *_ = _train(_lakd(RESNET, 'input', local_backward=True, **options))
    summed, *_ = _train(_lakd(RESNET, 'input', **options))
    _assert_same_parameters(early, summed)


# ---------------------------------------------------------- where it is off


@pytest.mark.parametrize('how', ['stopped', 'by hand'])
def test_sum_is_returned_where_nothing_may_go_backward_early(how):
    model = _build(_lakd(RESNET, 'output', local_backward=True)).double()
    batch = _batch(0, torch.float64)
    if how == 'stopped':
        model.distillation_stopped = True
        model.optim_wrapper = _wrapper(model)
    data = model.data_preprocessor(batch, True)
    losses = model(**data, mode='loss')
    assert all(p.grad is None for p in model.parameters())
    model.parse_losses(losses)[0].backward()
    summed = _build(_lakd(RESNET, 'output')).double()
    summed.distillation_stopped = how == 'stopped'
    summed.parse_losses(
        summed(**summed.data_preprocessor(batch, True), mode='loss')
    )[0].backward()
    expected = dict(summed.named_parameters())
    for name, parameter in model.student.named_parameters():
        theirs = expected[name].grad
        torch.testing.assert_close(parameter.grad, theirs)


@pytest.mark.parametrize('training', [True, False])
def test_nothing_goes_backward_in_evaluation_or_without_gradients(training):
    model = _build(_lakd(RESNET, 'output', local_backward=True))
    model.optim_wrapper = _wrapper(model)
    data = model.data_preprocessor(_batch(0, torch.float32), True)
    model.train(training)
    with torch.set_grad_enabled(not training):
        losses = model(**data, mode='loss')
    assert losses['distill.loss_0'] > 0
    assert all(p.grad is None for p in model.parameters())


def test_distributed_run_without_the_hook_is_an_error(monkeypatch):
    model = _build(_lakd(RESNET, 'output', local_backward=True))
    monkeypatch.setattr(
        'cankd_mm.algorithms.local_module_distill.is_distributed', lambda: True
    )
    data = model.data_preprocessor(_batch(0, torch.float32), True)
    with pytest.raises(RuntimeError, match='LocalBackwardHook'):
        model(**data, mode='loss')


def test_optimizer_of_another_kind_is_an_error_that_names_it():
    model = _build(_lakd(RESNET, 'output', local_backward=True))
    data = model.data_preprocessor(_batch(0, torch.float32), True)
    model.optim_wrapper = object()
    with pytest.raises(TypeError, match='optim_wrapper is a object'):
        model(**data, mode='loss')


def test_module_checkpointed_as_a_whole_is_an_error_that_names_the_loss():
    model = _build(_lakd(RESNET, 'output', local_backward=True))
    backbone = model.student.backbone
    forward = backbone.forward
    backbone.forward = lambda x: torch.utils.checkpoint.checkpoint(
        forward, x.requires_grad_(), use_reentrant=True
    )
    with pytest.raises(RuntimeError, match='loss_0'):
        model.train_step(_batch(0, torch.float32), _wrapper(model))


def test_the_optimizer_is_held_during_a_step_alone():
    model = _build(_lakd(RESNET, 'output', local_backward=True))
    model.train_step(_batch(0, torch.float32), _wrapper(model))
    assert model.optim_wrapper is None
    hooks = [len(m._forward_hooks) for m in model.student.modules()]
    model.train_step(_batch(0, torch.float32), _wrapper(model))
    assert [len(m._forward_hooks) for m in model.student.modules()] == hooks
