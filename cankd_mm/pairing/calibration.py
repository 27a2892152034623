"""Trains a pair for some iterations and measures its distill losses."""

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from cankd_mm.engine.student_checkpoint_hook import StudentCheckpointHook
from cankd_mm.engine.training import TrainingOptions, training_runner
from cankd_mm.engine.training_data import require_training_data
from cankd_mm.pairing.measured_steps import MeasuredStep, MeasuredSteps
from cankd_mm.utils.checkpoint import find_checkpoint
from cankd_mm.utils.command_line import read_config
from cankd_mm.utils.config_walk import type_name
from cankd_mm.utils.distillation_config import (
    extends_student,
    is_distillation,
)
from cankd_mm.utils.model_wrapper import unwrapped_model

_LOSSES = 'model.distiller.distill_losses'
_REPORTED_EVERY = 10


@dataclass(frozen=True)
class CalibrationRequest:
    """What is to be measured.

    Attributes:
        config: A config file, or ``package::path``.
        iterations: How many iterations it is trained for.
        cfg_options: Overrides of the config.
        teacher_ckpt: The teacher's weights, in place of the config's.
        check: Look for faults in config and training data first.
    """

    config: str
    iterations: int = 30
    cfg_options: Mapping[str, Any] | None = None
    teacher_ckpt: str | None = None
    check: bool = True


@dataclass(frozen=True)
class MeasuredLoss:
    """One distill loss over all iterations.

    Attributes:
        name: Its name in the distiller.
        loss_weight: Its present weight, None if it has none.
        values: Its value, with all weights, in each iteration.
        shares: Its share of the total loss.
        ratios: Norm of its gradient divided by that of the task loss; inf
            where the task loss does not reach the features. Iterations
            whose gradients are not finite are left out.
    """

    name: str
    loss_weight: float | None
    values: tuple[float, ...]
    shares: tuple[float, ...]
    ratios: tuple[float, ...]

    @property
    def key(self) -> str:
        """The config key of its weight."""
        return f'{_LOSSES}.{self.name}.loss_weight'

    @property
    def value(self) -> float:
        """The median value."""
        return statistics.median(self.values)

    @property
    def share(self) -> float:
        """The median share of the total loss."""
        return statistics.median(self.shares)

    @property
    def ratio(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)


@dataclass(frozen=True)
class Calibration:
    """What was measured of one config.

    Attributes:
        config: Its name.
        iterations: How many iterations were measured.
        images: Images of an iteration.
        losses: The distill losses.
    """

    config: str
    iterations: int
    images: int
    losses: tuple[MeasuredLoss, ...]


def require_ready(request: CalibrationRequest) -> None:
    """Raise, before anything is built, if a config cannot be measured.

    Args:
        request: What is to be measured.

    Raises:
        FileNotFoundError: Config, training data or teacher weights are not
            there.
        ValueError: The config is no distillation, or one without a distill
            loss to measure. The message names key and remedy.
    """
    # Libraries print what they miss when they are imported.
    with redirect_stdout(sys.stderr):
        # The work dir is never made.
        cfg = _read(request, work_dir='unused')
        _require_measurable(cfg)
        require_training_data(cfg)
    key = '--teacher-ckpt' if request.teacher_ckpt else 'model.teacher_ckpt'
    weights = request.teacher_ckpt or cfg.model.get('teacher_ckpt')
    if weights:
        find_checkpoint(weights, key)


def measure(request: CalibrationRequest) -> Calibration:
    """Train a config for some iterations and measure its distill losses.

    The run is that of ``tools/train.py``: data, batch size, optimizer and
    schedule of the config, on a GPU if there is one. It ends after the
    iterations; nothing is evaluated, and nothing is kept. What the libraries
    print goes to stderr.

    Args:
        request: What is to be measured.

    Raises:
        FileNotFoundError: Config, training data or weights are not there.
        ValueError: The config has faults, or nothing to measure.
        RuntimeError: Training fails, or its losses are not finite.
    """
    with (
        tempfile.TemporaryDirectory(prefix='calibrate-') as folder,
        redirect_stdout(sys.stderr),
    ):
        cfg = _read(request, folder)
        _require_measurable(cfg)
        runner = _runner(cfg, request)
        model = unwrapped_model(runner.model)
        steps = MeasuredSteps(model, lambda: _loss_scale(runner))
        limit = _MeasuringHook(steps, request)
        runner.register_hook(limit, priority='LOWEST')
        try:
            runner.train()
        except _AllMeasured:
            pass
        finally:
            limit.close()
    if not steps.steps:
        raise ValueError(
            f'{limit.iterations} iterations of training computed no distill '
            'loss: distillation is stopped from the start (StopDistillHook), '
            'or the data set is empty'
        )
    weights = {
        name: getattr(
            model.distiller.distill_losses[name], 'loss_weight', None
        )
        for name in model._loss_names()
    }
    return Calibration(
        config=request.config,
        iterations=len(steps.steps),
        images=limit.images,
        losses=tuple(
            _measured_loss(name, weight, steps.steps)
            for name, weight in weights.items()
        ),
    )


def _read(request: CalibrationRequest, work_dir: str) -> Config:
    options = dict(request.cfg_options) if request.cfg_options else None
    return read_config(
        argparse.Namespace(
            config=request.config,
            cfg_options=options,
            launcher='none',
            local_rank=0,
            work_dir=work_dir,
        )
    )


def _require_measurable(cfg: Config) -> None:
    model = cfg.get('model') or {}
    kind = model.get('type')
    if not is_distillation(cfg):
        raise ValueError(
            f'model.type={kind!r}: the config has no teacher, so there is no '
            'distill loss to measure. Expected a distillation config; python '
            'tools/make_config.py STUDENT TEACHER --method METHOD writes one'
        )
    if not extends_student(cfg):
        raise ValueError(
            f'model.type={kind!r}: expected '
            "'mmrazor.FrozenTeacherDistill' or 'mmrazor.LocalModuleDistill', "
            'whose student records its features in its own training step. '
            "Set type='mmrazor.FrozenTeacherDistill'"
        )
    if not model.get('distill_weight', 1):
        raise ValueError(
            'model.distill_weight=0: no distill loss is computed, so there '
            'is nothing to measure. Expected a positive weight: '
            '--cfg-options model.distill_weight=1'
        )
    if model.get('local_backward'):
        raise ValueError(
            'model.local_backward=True: distill losses are back-propagated '
            'before the task loss is known, so the two cannot be compared. '
            'The gradients are the same without it: --cfg-options '
            'model.local_backward=False'
        )
    if model.get('open_every'):
        raise ValueError(
            f'model.open_every={model.open_every}: the losses of later '
            'modules are 0 in the first iterations. Expected 0 while '
            'measuring: --cfg-options model.open_every=0'
        )
    losses = (model.get('distiller') or {}).get('distill_losses') or {}
    for name, loss in losses.items():
        if loss.get('loss_weight', 1) == 0:
            raise ValueError(
                f'{_LOSSES}.{name}.loss_weight=0: there is nothing to '
                'measure. Expected a positive weight, which one does not '
                f'matter: --cfg-options {_LOSSES}.{name}.loss_weight=1'
            )
    if (
        type_name(cfg.get('optim_wrapper')) == 'AmpOptimWrapper'
        and get_device() == 'cpu'
    ):
        raise ValueError(
            "optim_wrapper.type='AmpOptimWrapper': mixed precision needs a "
            'GPU and torch sees none. Measure on a GPU, or a copy of the '
            "config with optim_wrapper.type='OptimWrapper', without "
            'loss_scale and dtype'
        )


def _runner(cfg: Config, request: CalibrationRequest) -> Runner:
    """Build the runner of training, without what is not measured."""
    # MMEngine keeps logger and visualizer by this name in the process.
    cfg.experiment_name = Path(cfg.work_dir).name
    cfg.resume = False
    cfg.log_level = 'WARNING'
    # A compiled step has no graph between its forward and its backward.
    cfg.compile = False
    if cfg.get('visualizer'):
        # No service of the user's gets this run.
        cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    has_seed = (cfg.get('randomness') or {}).get('seed') is not None
    options = TrainingOptions(
        teacher_ckpt=request.teacher_ckpt,
        seed=None if has_seed else 0,
        check=request.check,
    )
    runner = training_runner(cfg, options)
    runner._val_loop = None
    runner.hooks[:] = [
        hook
        for hook in runner.hooks
        if not isinstance(hook, CheckpointHook | StudentCheckpointHook)
    ]
    return runner


def _loss_scale(runner: Runner) -> float:
    scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
    return scaler.get_scale() if scaler is not None else 1.0


def _measured_loss(
    name: str, weight: float | None, steps: list[MeasuredStep]
) -> MeasuredLoss:
    ratios = [step.norms[name].ratio for step in steps]
    ratios = [ratio for ratio in ratios if not math.isnan(ratio)]
    if not ratios:
        raise ValueError(
            f'{_LOSSES}.{name}: in none of {len(steps)} iterations it had a '
            'finite gradient at the features of the student which it '
            'compares. Record features of the student that are trained'
        )
    return MeasuredLoss(
        name=name,
        loss_weight=weight,
        values=tuple(step.values[name] for step in steps),
        shares=tuple(
            step.values[name] / step.total for step in steps if step.total
        ),
        ratios=tuple(ratios),
    )


class _AllMeasured(Exception):
    """All iterations are measured."""


class _MeasuringHook(Hook):
    """Ends a training after some iterations.

    The schedule stays that of the whole training, unlike with a smaller
    ``max_iters``.
    """

    def __init__(
        self, steps: MeasuredSteps, request: CalibrationRequest
    ) -> None:
        self.steps = steps
        self.request = request
        self.iterations = 0
        self.images = 0
        self._stack = ExitStack()

    def before_train(self, runner) -> None:
        # After hooks have made their copies of the model.
        self._stack.enter_context(self.steps.attached())

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        self.iterations += 1
        self.images = self.images or len(data_batch['inputs'])
        wanted = self.request.iterations
        if not self.iterations % _REPORTED_EVERY:
            print(
                f'{self.request.config}: iteration {self.iterations} of '
                f'{wanted}',
                file=sys.stderr,
            )
        if self.iterations >= wanted:
            raise _AllMeasured

    def close(self) -> None:
        self._stack.close()
