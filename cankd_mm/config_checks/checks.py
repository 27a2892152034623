"""The list of all checks."""

from mmengine.config import Config

from cankd_mm.config_checks import (
    assembled_model,
    batch_size,
    class_count,
    evaluation,
    logit_classes,
    losses,
    model_files,
    normalisation,
    operators,
    recorders,
    schedules,
    start_weights,
    strides,
    student_checkpoint,
    teacher_checkpoint,
)
from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, info

# A check takes an ExaminedConfig and yields findings; it is silent about what
# does not apply to the config, and where it is not certain.
CHECKS = (
    model_files.check,
    assembled_model.check,
    losses.check,
    recorders.check,
    operators.check,
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


def check_config(cfg: Config, gpus: int | None = None) -> list[Finding]:
    """Looks for faults in a config without building its models.

    Args:
        cfg: Of a distillation with this package or with MMRazor, or a plain
            one of mmdet or mmseg, which gets the checks that apply.
        gpus: How many processes the run has, None if that is not known.

    Returns:
        The findings, the worst first.
    """
    examined = ExaminedConfig(cfg, gpus)
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings += check(examined)
        except Exception as failure:
            # A config may hold anything; what a check cannot read is no
            # reason to stop a run.
            name = check.__module__.rpartition('.')[2]
            findings.append(
                info(
                    'config',
                    f'the check {name} could not be made: '
                    f'{type(failure).__name__}: {failure}',
                )
            )
    return sorted(findings, key=lambda finding: -finding.severity)
