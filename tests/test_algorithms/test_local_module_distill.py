"""LocalModuleDistill: whose loss reaches which part of a student."""

import copy
from functools import partial

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmrazor.engine.hooks import StopDistillHook
from mmrazor.registry import MODELS
from torch.utils.checkpoint import checkpoint

from tests import local_models, tiny_models
from tests.local_models import FAMILIES

every_family = pytest.mark.parametrize(
    'family', FAMILIES.values(), ids=FAMILIES
)
both_sides = pytest.mark.parametrize('on', ['input', 'output'])
LAST = 3


def _build(config: dict):
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def _batch(model) -> dict:
    return model.data_preprocessor(tiny_models.segmentation_batch(), True)


def _losses(model) -> dict[str, torch.Tensor]:
    return model(**_batch(model), mode='loss')


def _gradients(model, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of the student, 0 where there is none."""
    model.zero_grad()
    loss.backward(retain_graph=True)
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.student.named_parameters()
    }


def _task_loss(losses: dict) -> torch.Tensor:
    return losses['decode.loss_ce']


# -------------------------------------------------- gradients stay in modules


@both_sides
@every_family
def test_loss_of_a_module_reaches_that_module_alone(family, on):
    model = _build(local_models.distillation(family, on))
    losses = _losses(model)
    for k in range(LAST + 1):
        for name, gradient in _gradients(
            model, losses[f'distill.loss_{k}']
        ).items():
            if family.module_of(name) != k:
                assert not gradient.any(), (k, name)
        reached = {
            name
            for name, p in model.student.named_parameters()
            if p.grad is not None and p.grad.any()
        }
        inside = {
            name
            for name, _ in model.student.named_parameters()
            if family.module_of(name) == k
        }
        # All but a few whose gradient vanishes: dead units, biases before a
        # softmax or a norm.
        assert len(reached) > 0.7 * len(inside), k


@every_family
def test_output_keeps_the_task_loss_from_modules_before_the_last(family):
    model = _build(local_models.distillation(family, 'output'))
    gradients = _gradients(model, _task_loss(_losses(model)))
    for name, gradient in gradients.items():
        if family.module_of(name) in range(LAST):
            assert not gradient.any(), name
    assert _total(gradients, family, LAST) > 0
    assert _total(gradients, family, None) > 0


@every_family
def test_input_lets_the_task_loss_reach_every_module_through_the_neck(family):
    model = _build(local_models.distillation(family, 'input'))
    gradients = _gradients(model, _task_loss(_losses(model)))
    for k in range(LAST + 1):
        assert _total(gradients, family, k) > 0


@every_family
def test_input_keeps_the_task_loss_from_coming_through_the_next_module(
    family,
):
    cut = _build(local_models.distillation(family, 'input'))
    whole = _build(local_models.distillation(family, truncations=[]))
    for model in (cut, whole):
        # Closes the neck to all stages but the last.
        for lateral in model.student.neck.lateral_convs[:LAST]:
            torch.nn.init.zeros_(lateral.conv.weight)
    through_neck = _gradients(cut, _task_loss(_losses(cut)))
    through_stages = _gradients(whole, _task_loss(_losses(whole)))
    for k in range(LAST):
        assert _total(through_neck, family, k) == 0
        assert _total(through_stages, family, k) > 0


def _total(gradients: dict, family, module: int | None) -> float:
    return sum(
        gradient.abs().sum().item()
        for name, gradient in gradients.items()
        if family.module_of(name) == module
    )


def test_one_backward_of_the_sum_gives_each_module_its_own_update():
    model = _build(local_models.distillation(FAMILIES['ResNet'], 'output'))
    losses = _losses(model)
    total, _ = model.parse_losses(losses)
    summed = _gradients(model, total)
    for k in range(LAST):
        alone = _gradients(model, losses[f'distill.loss_{k}'])
        for name, gradient in alone.items():
            if FAMILIES['ResNet'].module_of(name) == k:
                torch.testing.assert_close(summed[name], gradient)


# --------------------------------------------------------------- evaluation


@both_sides
@every_family
def test_evaluation_is_that_of_the_uncut_student(family, on):
    cut = _build(local_models.distillation(family, on)).eval()
    whole = _build(local_models.distillation(family, truncations=[])).eval()
    for mode in ('tensor', 'predict'):
        ours, theirs = (
            model(**_batch(model), mode=mode) for model in (cut, whole)
        )
        if mode == 'predict':
            ours, theirs = (
                torch.stack([sample.seg_logits.data for sample in samples])
                for samples in (ours, theirs)
            )
        assert torch.equal(ours, theirs)


@both_sides
def test_evaluation_keeps_its_gradients(on):
    family = FAMILIES['ResNet']
    model = _build(local_models.distillation(family, on)).eval()
    for lateral in model.student.neck.lateral_convs[:LAST]:
        torch.nn.init.zeros_(lateral.conv.weight)
    gradients = _gradients(
        model, model(**_batch(model), mode='tensor').square().mean()
    )
    for k in range(LAST + 1):
        assert _total(gradients, family, k) > 0


def test_training_values_are_those_of_the_uncut_student():
    family = FAMILIES['ResNet']
    cut = _losses(_build(local_models.distillation(family, 'input')))
    whole = _losses(_build(local_models.distillation(family, truncations=[])))
    assert {k: v.item() for k, v in cut.items()} == {
        k: v.item() for k, v in whole.items()
    }


# -------------------------------------------------------------- stop and EMA


class _Runner:
    """As much of a runner as hooks of this file ask for."""

    def __init__(self, model, epoch: int = 0) -> None:
        import logging

        self.model = model
        self.epoch = epoch
        self.iter = 0
        self.logger = logging.getLogger('test')


@both_sides
@every_family
def test_stopped_distillation_gives_every_parameter_a_gradient(family, on):
    model = _build(local_models.distillation(family, on))
    StopDistillHook(stop_epoch=1).before_train_epoch(_Runner(model, epoch=1))
    assert model.distillation_stopped
    losses = _losses(model)
    _gradients(model, model.parse_losses(losses)[0])
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
    whole = _build(local_models.distillation(family, truncations=[]))
    expected = _gradients(whole, _task_loss(_losses(whole)))
    for name, gradient in _gradients(model, _task_loss(losses)).items():
        assert torch.equal(gradient, expected[name]), name


@both_sides
def test_copy_cuts_by_itself(on):
    family = FAMILIES['ResNet']
    model = _build(local_models.distillation(family, on))
    _gradients(model, model.parse_losses(_losses(model))[0])
    twin = copy.deepcopy(model)
    model.distillation_stopped = True
    assert not any(t.active for t in model._truncations)
    gradients = _gradients(twin, _losses(twin)['distill.loss_3'])
    assert _total(gradients, family, 3) > 0
    assert _total(gradients, family, 2) == 0
    twin.eval()
    assert not any(t.active for t in twin._truncations)


def test_averaged_model_evaluates():
    model = _build(local_models.distillation(FAMILIES['ResNet'], 'output'))
    runner = _Runner(model)
    hook = EMAHook()
    hook.before_run(runner)
    model.train_step(
        tiny_models.segmentation_batch(),
        OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01)),
    )
    hook.after_train_iter(runner, 0)
    averaged = hook.ema_model.module.eval()
    assert averaged.student is not model.student
    out = averaged(**_batch(averaged), mode='tensor')
    assert out.isfinite().all()


def test_checkpoint_has_the_keys_of_an_uncut_one():
    family = FAMILIES['ResNet']
    cut = _build(local_models.distillation(family, 'output'))
    whole = _build(local_models.distillation(family, truncations=[]))
    whole.load_state_dict(cut.state_dict(), strict=True)
    assert not any('trunc' in key for key in cut.state_dict())


@both_sides
def test_checkpointed_activations_are_cut_when_they_run_again(on):
    family = FAMILIES['ResNet']
    config = local_models.distillation(family, on)
    expected = _gradients(m := _build(config), m.parse_losses(_losses(m))[0])
    model = _build(config)
    backbone = model.student.backbone
    # All local modules and the cuts between them run again in the backward.
    backbone.forward = partial(
        checkpoint, backbone.forward, use_reentrant=False
    )
    found = _gradients(model, model.parse_losses(_losses(model))[0])
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)


# ------------------------------------------------------------- progressively


def _at(iteration: int) -> None:
    MessageHub.get_instance('test')
    MessageHub.get_current_instance().update_info('iter', iteration)


def test_modules_open_one_after_another():
    model = _build(
        local_models.distillation(FAMILIES['ResNet'], open_every=10)
    )
    for iteration, opened in ((0, 1), (9, 1), (10, 2), (25, 3), (30, 4)):
        _at(iteration)
        losses = _losses(model)
        found = [losses[f'distill.loss_{k}'].item() > 0 for k in range(4)]
        assert found == [k < opened for k in range(4)], iteration


def test_closed_module_leaves_no_parameter_without_a_gradient():
    model = _build(
        local_models.distillation(FAMILIES['ResNet'], 'output', open_every=10)
    )
    _gradients(model, model.parse_losses(_losses(model))[0])
    for name, parameter in model.student.named_parameters():
        assert parameter.grad is not None, name
        if FAMILIES['ResNet'].module_of(name) in (1, 2):
            assert not parameter.grad.any(), name


def test_all_modules_are_open_by_default_and_count_from_the_image_on():
    family = FAMILIES['ResNet']
    model = _build(local_models.distillation(family))
    assert all(model._weight_of(f'loss_{k}') == 1 for k in range(4))
    backwards = local_models.distillation(family)
    backwards.truncations = backwards.truncations[::-1]
    model = _build(dict(backwards, open_every=1))
    assert [model._weight_of(f'loss_{k}') for k in range(4)] == [1, 0, 0, 0]


def test_distill_weight_holds_for_open_modules():
    model = _build(
        local_models.distillation(
            FAMILIES['ResNet'], open_every=5, distill_weight=3.0
        )
    )
    assert [model._weight_of(f'loss_{k}') for k in range(4)] == [3, 0, 0, 0]


# -------------------------------------------------------------------- errors


@pytest.mark.parametrize('value', [-1, 1.5, True, '10'])
def test_bad_open_every_is_named(value):
    with pytest.raises(ValueError, match='model.open_every'):
        _build(local_models.distillation(FAMILIES['ResNet'], open_every=value))


@pytest.mark.parametrize(
    'option', [dict(open_every=5), dict(local_backward=True)]
)
def test_options_that_need_the_dry_run_say_so(option):
    with pytest.raises(ValueError, match='model.dry_run_size=None'):
        _build(
            local_models.distillation(
                FAMILIES['ResNet'], dry_run_size=None, **option
            )
        )


def test_without_a_dry_run_the_cuts_work_unchecked(logged):
    family = FAMILIES['ResNet']
    model = _build(
        local_models.distillation(family, 'output', dry_run_size=None)
    )
    assert any('model.dry_run_size=None' in line for line in logged)
    gradients = _gradients(model, _task_loss(_losses(model)))
    assert _total(gradients, family, 0) == 0
    assert _total(gradients, family, LAST) > 0


def test_building_leaves_no_gradients_and_no_records():
    model = MODELS.build(local_models.distillation(FAMILIES['ResNet']))
    assert all(p.grad is None for p in model.parameters())
    for recorder in model.distiller.student_recorders.recorders.values():
        assert recorder.data_buffer == []
    assert all(t.trace is None for t in model._truncations)
    assert all(m.training for m in model.student.modules())
