"""The list of all checks."""

from collections.abc import Callable, Iterable
from typing import Any

from mmengine.config import Config

from cankd_mm.config_checks import (
    assembled_model,
    batch_size,
    class_count,
    class_names,
    distiller_parts,
    evaluation,
    logit_classes,
    losses,
    model_files,
    normalisation,
    operators,
    paths,
    recorder_sources,
    recorders,
    schedules,
    start_weights,
    strides,
    student_checkpoint,
    teacher_checkpoint,
    unbuilt_models,
)
from cankd_mm.config_checks.dry_forward import check as dry_forward_check
from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import (
    Finding,
    Severity,
    not_checked,
)

Check = Callable[[ExaminedConfig], Iterable[Finding]]

# A check takes an ExaminedConfig and yields findings. It is silent about what
# does not apply to the config, and where it is not certain.
#
# A pair is tried if these find no error.
_BEFORE_A_TRIAL: tuple[Check, ...] = (
    model_files.check,
    unbuilt_models.check,
    distiller_parts.check,
    recorders.check,
    recorder_sources.check,
    operators.check,
)
CHECKS: tuple[Check, ...] = (
    *_BEFORE_A_TRIAL,
    paths.check,
    assembled_model.check,
    losses.check,
    class_names.check,
    class_count.check,
    logit_classes.check,
    teacher_checkpoint.check,
    start_weights.check,
    strides.check,
    normalisation.check,
    batch_size.check,
    schedules.check,
    evaluation.check,
    student_checkpoint.check,
)


def check_config(
    cfg: Config, gpus: int | None = None, dry_forward: bool = False
) -> list[Finding]:
    """Looks for faults in a config without the weights of its models.

    Args:
        cfg: Of a distillation with this package or with MMRazor, or a plain
            one of mmdet or mmseg, which gets the checks that apply.
        gpus: How many processes the run has, None if that is not known.
        dry_forward: Also build the distillation without its weights, and try
            recorders, connectors and losses on an image. Training itself does
            so with the weights.

    Returns:
        The findings, the worst first.
    """
    examined = ExaminedConfig(cfg, gpus)
    findings: list[Finding] = []
    is_whole = True
    for check in CHECKS:
        found = _findings(check, examined)
        findings += found
        if check in _BEFORE_A_TRIAL:
            is_whole &= not any(f.severity is Severity.ERROR for f in found)
    if dry_forward and is_whole:
        findings += _findings(dry_forward_check, examined, findings)
    return sorted(findings, key=lambda finding: -finding.severity)


def _findings(check: Callable, *args: Any) -> list[Finding]:
    try:
        return list(check(*args))
    except Exception as failure:
        # A config may hold anything; what a check cannot read is no reason
        # to stop a run.
        name = check.__module__.rpartition('.')[2]
        return [
            not_checked(
                'config',
                f'the check {name} could not be made: '
                f'{type(failure).__name__}: {failure}',
            )
        ]
