"""Stop a training that computes NaN."""

import logging
from collections import deque
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from torch import Tensor, nn

from cankd_mm.checkpoint.finite_weights import describe, non_finite_tensors
from cankd_mm.engine.hooks.loss_reading import LossReading
from cankd_mm.utils.arguments import check_count
from cankd_mm.utils.model_wrapper import unwrapped_model

_REMEDIES = """Ways out:
  - a lower learning rate (optim_wrapper.optimizer.lr), or a longer warm-up \
(LinearLR in param_scheduler)
  - clipped gradients (optim_wrapper.clip_grad=dict(max_norm=10))
  - look at the images above and at their annotations: NaN, empty or \
inverted boxes, labels out of range
  - a single loss that is not finite: lower its weight; with mixed precision \
use bfloat16
To go on for longer: custom_hooks=[dict(type='NonFiniteLossHook', \
patience=...)]"""


def guard_losses(runner) -> None:
    """Add :class:`NonFiniteLossHook` to a runner that has none.

    To the runner and not to its config, so that a logged config stays what
    the user wrote.

    Args:
        runner: Built, and not running yet.
    """
    if not any(isinstance(hook, NonFiniteLossHook) for hook in runner.hooks):
        runner.register_hook(NonFiniteLossHook())


class NonFiniteLossError(RuntimeError):
    """Losses or weights of a training are NaN or infinite."""


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stop training after consecutive iterations with a loss of NaN or inf.

    A checkpoint whose weights are not finite is not written, so that the last
    good one stays. At the end of training the weights must be finite, and so
    must one of the losses at least; fewer bad iterations than ``patience``
    are a warning. The error names iteration, losses, images and learning
    rate. ``tools/train.py`` adds this hook to every run, with its default,
    unless the config has one.

    On a GPU the losses of an iteration are looked at after the next one, so
    that the device is not waited for. An overflow of gradients in mixed
    precision does not count, since the loss is finite.

    Args:
        patience: How many consecutive iterations. Defaults to 3.

    Raises:
        TypeError: ``patience`` is no integer.
        ValueError: It is below 1.
        NonFiniteLossError: During training.

    Examples:
        >>> custom_hooks = [dict(type='NonFiniteLossHook', patience=5)]
    """

    # After LoggerHook, whose line shows the losses; before ParamSchedulerHook
    # changes the learning rate and CheckpointHook saves.
    priority = 'BELOW_NORMAL'

    def __init__(self, patience: int = 3) -> None:
        check_count('patience', patience)
        self.patience = patience
        self._unread: deque[LossReading] = deque()
        # Consecutive iterations whose losses are not finite.
        self._bad_count = 0
        self._any_finite = False
        self._first_bad: LossReading | None = None
        self._last: LossReading | None = None
        self._last_checkpoint: str | None = None
        self._never_finite: set[str] = set()

    def before_train(self, runner) -> None:
        """Note the tensors of the model that are not finite by design."""
        found = non_finite_tensors(_tensors(runner.model))
        self._never_finite = {tensor.name for tensor in found}

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Note the last checkpoint, as CheckpointHook names the next early."""
        self._last_checkpoint = runner.message_hub.get_info('last_ckpt')

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Look at the losses, of this iteration or of the one before."""
        reading = LossReading.of(runner, data_batch, outputs)
        self._unread.append(reading)
        self._read(0 if reading.copied is None else 1)

    def after_train_epoch(self, runner) -> None:
        """Look at all losses of the epoch."""
        self._read()

    def after_train(self, runner) -> None:
        """Raise if training ends with weights or losses of NaN or infinity.

        Bad losses of the last iterations, fewer than ``patience``, are a
        warning if the weights are finite: mixed precision skips such steps.
        """
        self._read()
        state = self._designed_finite(_tensors(runner.model))
        found = non_finite_tensors(state)
        if found:
            raise NonFiniteLossError(
                self._report(
                    f'{len(found)} tensors of the model are not finite: '
                    f'{describe(found)}'
                )
            )
        if not self._bad_count:
            return
        if not self._any_finite:
            raise NonFiniteLossError(self._report(f'all {self._losses()}'))
        print_log(
            f'Training ends, and the last {self._losses()}. The weights are '
            'finite.',
            logger='current',
            level=logging.WARNING,
        )

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Raise before weights that are not finite are written."""
        self._read()
        for key, state in checkpoint.items():
            # The optimizer's state is not what is evaluated or published.
            if not key.endswith('state_dict'):
                continue
            found = non_finite_tensors(self._designed_finite(state))
            if found:
                raise NonFiniteLossError(
                    self._report(
                        f'{len(found)} tensors of the checkpoint are not '
                        f'finite, so it is not saved: {describe(found)}'
                    )
                )

    def _designed_finite(self, state: Mapping[str, Any]) -> dict[str, Any]:
        # An averaged model's names begin with 'module.'.
        return {
            name: value
            for name, value in state.items()
            if name.removeprefix('module.') not in self._never_finite
        }

    def _read(self, left: int = 0) -> None:
        """Look at the losses of all iterations but the last ``left``."""
        while len(self._unread) > left:
            reading = self._last = self._unread.popleft()
            if reading.is_finite():
                self._bad_count, self._first_bad = 0, None
                self._any_finite = True
                continue
            self._bad_count += 1
            self._first_bad = self._first_bad or reading
            print_log(
                f'Iteration {reading.iteration}: {reading} (in '
                f'{self._bad_count} consecutive iterations; training stops '
                f'at {self.patience}).',
                logger='current',
                level=logging.WARNING,
            )
            if self._bad_count >= self.patience:
                raise NonFiniteLossError(self._report(self._losses()))

    def _losses(self) -> str:
        plural = 's' * (self._bad_count > 1)
        return (
            f'losses of {self._bad_count} consecutive iteration{plural} are '
            'NaN or infinite'
        )

    def _report(self, what: str) -> str:
        lines = [f'Training is stopped: {what}']
        if get_world_size() > 1:
            lines[0] += f' (process {get_rank()} of {get_world_size()})'
        if self._last_checkpoint and Path(self._last_checkpoint).is_file():
            lines.append(f'Last good checkpoint: {self._last_checkpoint}')
        else:
            lines.append('There is no earlier checkpoint of this run')
        readings = {'Last iteration': self._last}
        if self._first_bad is not None:
            readings = {'First bad iteration': self._first_bad}
            if self._last is not self._first_bad:
                readings['Last iteration'] = self._last
        for title, reading in readings.items():
            if reading is not None:
                lines += [
                    f'{title}: {reading.iteration} (epoch {reading.epoch})',
                    f'  losses: {reading}',
                    f'  learning rate: {reading.learning_rate_list()}',
                    f'  images:\n{reading.image_list()}',
                ]
        return '\n'.join([*lines, _REMEDIES])


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers under the names of the state dict."""
    model = unwrapped_model(model)
    return dict(chain(model.named_parameters(), model.named_buffers()))
