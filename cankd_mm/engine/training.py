"""Turns a config and a command line's options into a training run."""

from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmrazor.registry import MODELS

from cankd_mm.algorithms import FrozenTeacherDistill
from cankd_mm.config_checks import check_config
from cankd_mm.config_checks.report import log_findings, require_no_error
from cankd_mm.engine.training_data import require_training_data
from cankd_mm.utils.command_line import build_runner, world_size
from cankd_mm.utils.config_path import resolve_path
from cankd_mm.utils.distillation_config import is_distillation


@dataclass(frozen=True)
class TrainingOptions:
    """What a training command line can say beside the config.

    Attributes:
        amp: Automatic mixed precision.
        amp_dtype: Its number format, 'float16' or 'bfloat16'.
        auto_scale_lr: Scale the learning rate to the actual batch size.
        resume: None, 'auto' for the latest checkpoint of the work directory,
            or a checkpoint's path.
        teacher_ckpt: The teacher's weights, in place of the config's.
        student_ckpt: The weights that the student starts from.
        seed: Seed of every random stream.
        deterministic: Use deterministic algorithms alone.
        check: Look for faults in the config before anything is built.
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


def training_runner(cfg: Config, options: TrainingOptions) -> Runner:
    """Builds the runner of a training run.

    Args:
        cfg: Of any model, with a teacher or without; changed in place.
        options: What the command line says.

    Raises:
        ValueError: An option does not fit the config or the machine, or the
            config has faults.
        FileNotFoundError: A checkpoint that is not there, or training data.
    """
    if options.amp:
        _use_mixed_precision(cfg, options.amp_dtype)
    if options.auto_scale_lr:
        _use_scaled_learning_rate(cfg)
    if options.resume:
        cfg.resume = True
        cfg.load_from = (
            None
            if options.resume == 'auto'
            else resolve_path(options.resume, '--resume')
        )
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
        findings = check_config(cfg, world_size(cfg.get('launcher', 'none')))
        require_no_error(findings)
    require_training_data(cfg)
    try:
        return build_runner(cfg)
    finally:
        # By now there is a log file.
        log_findings(findings)


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
    algorithm = MODELS.get(kind) if isinstance(kind, str) else kind
    is_ours = isinstance(algorithm, type) and issubclass(
        algorithm, FrozenTeacherDistill
    )
    if key == 'student_ckpt' and not is_ours:
        raise ValueError(
            f'{flag}={value}: model.type={kind!r} does not '
            "know it. Use type='mmrazor.FrozenTeacherDistill'"
        )
    cfg.model[key] = resolve_path(value, flag)
