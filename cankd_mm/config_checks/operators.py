"""Every operator of mmcv that the student calls is there."""

from collections.abc import Iterator

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, error
from cankd_mm.utils.missing_operators import describe, missing_operators


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find operators that the student calls in its loss or prediction.

    A teacher runs as far as it is recorded, which the dry run tries.
    """
    student = examined.student
    if student is None or student.on_meta is None:
        return
    missing = missing_operators(student.on_meta)
    if missing:
        yield error(
            student.key,
            f'mmcv was installed without the operators {describe(missing)}',
            'an mmcv that has them',
            'Install a wheel with compiled operators (mim install mmcv), or '
            'compile them: MMCV_WITH_OPS=1 pip install --force-reinstall '
            '--no-deps --no-build-isolation --no-binary :all: onedl-mmcv (or '
            'mmcv), which takes about half an hour',
        )
