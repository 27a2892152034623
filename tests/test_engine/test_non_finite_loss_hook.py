"""NonFiniteLossHook stops a training that computes NaN."""

import math
from types import SimpleNamespace

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.hooks import EMAHook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from cankd_mm.engine import NonFiniteLossError, NonFiniteLossHook
from cankd_mm.engine.hooks.loss_reading import LossReading
from cankd_mm.engine.hooks.non_finite_loss_hook import guard_losses

NAN, INF = math.nan, math.inf


class Masked(nn.Module):
    """A model with a buffer that is infinite by design, and not a mask."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer('limits', torch.tensor([-INF, 1.0, INF]))


class Run:
    """As much of a run as the hook sees."""

    def __init__(self, hook: NonFiniteLossHook, model=None):
        model = model or Masked()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
        self.hook = hook
        self.runner = SimpleNamespace(
            model=model,
            iter=0,
            epoch=1,
            message_hub=MessageHub.get_instance('run'),
            optim_wrapper=OptimWrapper(optimizer),
        )
        hook.before_train(self.runner)

    def steps(self, *losses: float, **more) -> None:
        """Runs an iteration for each value of the loss."""
        for loss in losses:
            number = self.runner.iter
            batch = dict(
                inputs=[torch.zeros(3)],
                data_samples=[
                    DetDataSample(metainfo=dict(img_path=f'{number}.png'))
                ],
            )
            self.hook.before_train_iter(self.runner, number, batch)
            outputs = dict(loss=torch.tensor(loss), **more)
            self.hook.after_train_iter(self.runner, number, batch, outputs)
            self.runner.iter += 1

    def save(self, **state) -> None:
        checkpoint = dict(state_dict=self.runner.model.state_dict(), **state)
        self.hook.before_save_checkpoint(self.runner, checkpoint)


def test_consecutive_losses_that_are_not_finite_stop_training():
    run = Run(NonFiniteLossHook())
    run.steps(1, NAN, INF, 1, -INF, NAN)
    with pytest.raises(NonFiniteLossError):
        run.steps(NAN)
    assert run.runner.iter == 6


@pytest.mark.parametrize('patience', [1, 2, 5])
def test_patience_is_their_number(patience):
    run = Run(NonFiniteLossHook(patience=patience))
    run.steps(*[NAN] * (patience - 1))
    with pytest.raises(NonFiniteLossError, match=f'{patience} consecutive'):
        run.steps(NAN)


def test_names_without_loss_and_overflowing_gradients_do_not_count():
    run = Run(NonFiniteLossHook(patience=1))
    run.steps(1, 2, grad_norm=torch.tensor(INF), acc=torch.tensor(NAN))
    run.hook.after_train(run.runner)


def test_report_names_losses_iterations_images_rate_and_checkpoint(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    path.touch()
    run = Run(NonFiniteLossHook())
    run.runner.message_hub.update_info('last_ckpt', str(path))
    with pytest.raises(NonFiniteLossError) as error:
        run.steps(
            *[1, NAN, NAN, NAN],
            **{'distill.loss_kd': torch.tensor(INF)},
            loss_bbox=torch.tensor([0.5, 1.5]),
        )
    message = str(error.value)
    # The total of the first iteration is finite, one of its losses is not.
    assert 'First bad iteration: 1 (epoch 2)' in message
    assert 'Last iteration: 3 (epoch 2)' in message
    assert 'loss=nan, distill.loss_kd=inf not finite' in message
    assert 'loss_bbox=1' in message
    assert '0.png' in message and '2.png' in message
    assert 'lr 0.25' in message
    assert f'Last good checkpoint: {path}' in message
    assert 'clip_grad' in message and 'patience' in message


def test_checkpoint_that_is_not_there_is_not_named(tmp_path):
    run = Run(NonFiniteLossHook(patience=1))
    run.runner.message_hub.update_info('last_ckpt', str(tmp_path / 'a.pth'))
    with pytest.raises(NonFiniteLossError, match='no earlier checkpoint'):
        run.steps(NAN)


def test_every_bad_iteration_is_logged(logged):
    run = Run(NonFiniteLossHook())
    run.steps(NAN, 1, NAN)
    warned = [line for line in logged if 'not finite' in line]
    assert [line.split(':')[0] for line in warned] == [
        'Iteration 1',
        'Iteration 3',
    ]


def test_bad_last_losses_with_finite_weights_are_a_warning(logged):
    run = Run(NonFiniteLossHook())
    run.steps(1, NAN, INF)
    run.hook.after_train_epoch(run.runner)
    run.hook.after_train(run.runner)
    assert any(
        'the last losses of 2 consecutive iterations' in line
        for line in logged
    )


def test_training_that_ends_well_warns_of_nothing(logged):
    run = Run(NonFiniteLossHook())
    run.steps(1, 2)
    run.hook.after_train(run.runner)
    assert not logged


def test_training_without_any_finite_loss_fails_at_its_end():
    run = Run(NonFiniteLossHook())
    run.steps(NAN, NAN)
    with pytest.raises(NonFiniteLossError, match='all losses of 2 consec'):
        run.hook.after_train(run.runner)


@pytest.mark.parametrize('last', [1, NAN])
def test_training_does_not_end_with_weights_that_are_not_finite(last):
    run = Run(NonFiniteLossHook())
    run.runner.model.limits[1] = NAN  # not finite by design
    run.steps(1, last)
    run.runner.model.weight.data[1] = NAN
    with pytest.raises(NonFiniteLossError, match=r'weight \(1 NaN of 3\)'):
        run.hook.after_train(run.runner)


def test_training_that_is_complete_when_resumed_ends_well():
    run = Run(NonFiniteLossHook())
    run.hook.after_train(run.runner)


# ------------------------------------------------------------- checkpoints


def test_weights_that_are_not_finite_are_not_saved():
    run = Run(NonFiniteLossHook())
    run.steps(1)
    run.save()
    run.runner.model.weight.data[1] = NAN
    with pytest.raises(NonFiniteLossError) as error:
        run.save()
    assert 'weight (1 NaN of 3)' in str(error.value)
    assert 'Last iteration: 1' in str(error.value)


def test_what_is_infinite_by_design_is_saved():
    run = Run(NonFiniteLossHook())
    run.save()
    run.runner.model.limits[1] = NAN
    run.save()


@pytest.mark.parametrize('key', ['weight', 'limits'])
def test_averaged_weights_are_looked_at_too(key):
    run = Run(NonFiniteLossHook())
    average = EMAHook()
    average.before_run(run.runner)
    checkpoint = dict(state_dict=run.runner.model.state_dict())
    average.before_save_checkpoint(run.runner, checkpoint)
    run.hook.before_save_checkpoint(run.runner, checkpoint)
    for state in (checkpoint['state_dict'], checkpoint['ema_state_dict']):
        name = next(name for name in state if name.endswith(key))
        good, state[name] = state[name], torch.full((3,), NAN)
        if key == 'weight':
            with pytest.raises(NonFiniteLossError):
                run.hook.before_save_checkpoint(run.runner, checkpoint)
        else:
            run.hook.before_save_checkpoint(run.runner, checkpoint)
        state[name] = good


def test_checkpoint_that_is_being_written_is_not_the_last_good_one(tmp_path):
    first, second = tmp_path / '1.pth', tmp_path / '2.pth'
    first.touch()
    second.touch()
    run = Run(NonFiniteLossHook())
    run.runner.message_hub.update_info('last_ckpt', str(first))
    run.steps(1)
    # As CheckpointHook does before it saves.
    run.runner.message_hub.update_info('last_ckpt', str(second))
    run.runner.model.weight.data[:] = INF
    with pytest.raises(NonFiniteLossError, match='1.pth'):
        run.save()


# --------------------------------------------------- read one iteration late


class Event:
    """In place of CUDA's, for a host without one."""

    def __init__(self):
        self.waited = False

    def synchronize(self):
        self.waited = True


@pytest.fixture
def late(monkeypatch):
    """Readings whose values come later, as from a GPU."""
    readings = []
    read = LossReading.of.__func__

    def of(cls, *args):
        reading = read(cls, *args)
        object.__setattr__(reading, 'copied', Event())
        readings.append(reading)
        return reading

    monkeypatch.setattr(LossReading, 'of', classmethod(of))
    return readings


def test_gpu_is_not_waited_for(late):
    run = Run(NonFiniteLossHook(patience=1))
    run.steps(1, NAN)
    assert [reading.copied.waited for reading in late] == [True, False]
    with pytest.raises(NonFiniteLossError, match='1.png'):
        run.steps(1)


@pytest.mark.parametrize('when', ['epoch', 'train', 'save'])
def test_last_losses_of_a_gpu_are_read_in_time(late, when):
    run = Run(NonFiniteLossHook(patience=1))
    run.steps(1, NAN)
    look = {
        'epoch': lambda: run.hook.after_train_epoch(run.runner),
        'train': lambda: run.hook.after_train(run.runner),
        'save': run.save,
    }
    with pytest.raises(NonFiniteLossError, match='1 consecutive'):
        look[when]()


# ------------------------------------------------------------ what it reads


def test_any_values_and_batches_of_a_custom_step_are_read():
    run = Run(NonFiniteLossHook(patience=1))
    hook, runner = run.hook, run.runner
    hook.after_train_iter(runner, 0)
    hook.after_train_iter(runner, 0, None, dict(loss=0, loss_g=1.5))
    hook.after_train_iter(runner, 0, [torch.zeros(2)], dict(other='text'))
    branches = dict(
        data_samples=dict(
            sup=[DetDataSample(metainfo=dict(img_path='a.png'))],
            unsup=[DetDataSample(metainfo=dict(img_id=7))],
        )
    )
    with pytest.raises(NonFiniteLossError) as error:
        hook.after_train_iter(runner, 0, branches, dict(loss_d=NAN))
    assert 'a.png' in str(error.value) and 'img_id=7' in str(error.value)


def test_of_many_images_the_first_are_listed():
    samples = [
        DetDataSample(metainfo=dict(img_path=f'{number}.png'))
        for number in range(20)
    ]
    run = Run(NonFiniteLossHook(patience=1))
    with pytest.raises(NonFiniteLossError) as error:
        run.hook.after_train_iter(run.runner, 0, samples, dict(loss=NAN))
    assert '15.png' in str(error.value)
    assert '16.png' not in str(error.value)
    assert 'and 4 more' in str(error.value)


# ------------------------------------------------------------ registration


@pytest.mark.parametrize(
    'patience, error', [(0, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_bad_patience_is_named(patience, error):
    with pytest.raises(error, match='patience'):
        HOOKS.build(dict(type='NonFiniteLossHook', patience=patience))


def test_guard_is_added_once_and_after_the_logger():
    runner = Runner.__new__(Runner)
    runner._hooks = []
    runner.register_default_hooks()
    guard_losses(runner)
    guard_losses(runner)
    names = [type(hook).__name__ for hook in runner.hooks]
    assert names.count('NonFiniteLossHook') == 1
    place = names.index('NonFiniteLossHook')
    assert (
        names.index('LoggerHook') < place < names.index('ParamSchedulerHook')
    )
    assert place < names.index('CheckpointHook')


def test_hook_of_the_config_keeps_its_patience():
    runner = Runner.__new__(Runner)
    runner._hooks = []
    runner.register_custom_hooks([dict(type='NonFiniteLossHook', patience=9)])
    guard_losses(runner)
    assert [hook.patience for hook in runner.hooks] == [9]
