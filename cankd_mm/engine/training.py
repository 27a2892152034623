"""Turns a config and a command line's options into a training run."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from cankd_mm.config_checks import check_config
from cankd_mm.config_checks.report import log_findings, require_no_error
from cankd_mm.config_checks.weights_file import require_load_from
from cankd_mm.engine.hooks.non_finite_loss_hook import guard_losses
from cankd_mm.engine.hooks.resumed_weights_hook import check_resumed_weights
from cankd_mm.engine.hooks.training_data_hook import check_training_data
from cankd_mm.engine.runner.learning_rate import scale_by_accumulated_images
from cankd_mm.engine.runner.resume import (
    Note,
    agree_on_resume,
    requested_resume,
    set_resume,
)
from cankd_mm.engine.training_data import require_training_data
from cankd_mm.utils.checkpoint import find_checkpoint
from cankd_mm.utils.command_line import build_runner, rank, world_size
from cankd_mm.utils.distillation_config import (
    extends_student,
    is_distillation,
)


@dataclass(frozen=True)
class TrainingOptions:
    """What a training command line can say beside the config.

    Attributes:
        amp: Automatic mixed precision.
        amp_dtype: Its number format, 'float16' or 'bfloat16'.
        auto_scale_lr: Scale the learning rate to the actual batch size.
        resume: What to go on from: None for the config's choice, 'newest'
            for the newest readable checkpoint of the work dir, 'auto' for
            the same or a new training where there is none, or a path.
        teacher_ckpt: The teacher's weights, in place of the config's.
        student_ckpt: The weights that the student starts from.
        seed: Seed of every random stream.
        deterministic: Use deterministic algorithms alone.
        check: Look for faults in the config before anything is built, and in
            the training data when they are loaded.
    """

    amp: bool = False
    amp_dtype: str = 'float16'
    auto_scale_lr: bool = False
    resume: str | None = None
    teacher_ckpt: str | None = None
    student_ckpt: str | None = None
    seed: int | None = None
    deterministic: bool = False
    check: bool = True


def training_runner(
    cfg: Config, options: TrainingOptions, notes: Sequence[Note] = ()
) -> Runner:
    """Builds the runner of a training run.

    Args:
        cfg: Of any model, with a teacher or without; changed in place.
        options: What the command line says.
        notes: What happened before there was a log file to write it to.

    Raises:
        ValueError: An option does not fit the config or the machine, or the
            config has faults.
        FileNotFoundError: A checkpoint that is not there, or training data.
            NothingToResumeError, if ``resume='newest'`` finds none.
    """
    if options.amp:
        _use_mixed_precision(cfg, options.amp_dtype)
    if options.auto_scale_lr:
        _use_scaled_learning_rate(cfg)
    notes = list(notes)
    launcher = cfg.get('launcher', 'none')
    resumed = requested_resume(cfg, options.resume)
    if resumed and rank(launcher) == 0:
        notes += set_resume(cfg, resumed)
    for key in ('teacher_ckpt', 'student_ckpt'):
        value = getattr(options, key)
        if value:
            _set_checkpoint(cfg, key, value)
    if options.seed is not None or options.deterministic:
        randomness = dict(cfg.get('randomness') or {})
        if options.seed is not None:
            randomness['seed'] = options.seed
        if options.deterministic:
            randomness['deterministic'] = True
        cfg.randomness = randomness
    findings = []
    if options.check:
        findings = check_config(cfg, world_size(launcher))
        require_no_error(findings)
    elif not cfg.get('resume'):
        require_load_from(cfg)
    require_training_data(cfg)
    try:
        runner = build_runner(cfg)
    finally:
        # By now there is a log file.
        for level, text in notes:
            print_log(text, logger='current', level=level)
        log_findings(findings)
    if resumed:
        agree_on_resume(runner)
        check_resumed_weights(runner)
    if options.check:
        check_training_data(runner)
    guard_losses(runner)
    scale_by_accumulated_images(runner)
    return runner


def _use_mixed_precision(cfg: Config, dtype: str) -> None:
    if not torch.cuda.is_available():
        raise ValueError(
            '--amp needs a GPU and torch sees none '
            '(torch.cuda.is_available() is False). Leave it out'
        )
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(
            f"--amp: optim_wrapper.type={kind!r}, expected 'OptimWrapper'. "
            'Set up mixed precision in the config instead'
        )
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.dtype = dtype
    # bfloat16 has the exponents of float32: there is nothing to scale.
    scale = 'dynamic' if dtype == 'float16' else dict(enabled=False)
    cfg.optim_wrapper.setdefault('loss_scale', scale)


def _use_scaled_learning_rate(cfg: Config) -> None:
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise ValueError(
            '--auto-scale-lr: the config has no auto_scale_lr.base_batch_size,'
            ' so nothing says which batch size its learning rate is made for.'
            ' Add auto_scale_lr = dict(base_batch_size=...)'
        )
    cfg.auto_scale_lr.enable = True


def _set_checkpoint(cfg: Config, key: str, value: str) -> None:
    flag = '--' + key.replace('_', '-')
    if not is_distillation(cfg):
        raise ValueError(
            f'{flag}={value}: the config has no teacher and no student. '
            'Start a plain model from weights with --cfg-options load_from=...'
        )
    kind = cfg.model.get('type')
    if key == 'student_ckpt' and not extends_student(cfg):
        raise ValueError(
            f'{flag}={value}: model.type={kind!r} does not '
            "know it. Use type='mmrazor.FrozenTeacherDistill'"
        )
    cfg.model[key] = find_checkpoint(value, flag)
