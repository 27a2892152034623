"""Says whether this environment can distil, and what to mend.

    python tools/check_env.py

Ends with exit code 1 where something is broken. Untested is no error.
"""

import platform
import sys

from cankd_mm.utils.environment import examine


def main() -> None:
    """Prints the report."""
    stack, findings = examine()
    print(f'Python {platform.python_version()}, stack: {stack}')
    for finding in findings:
        remedy = f'  ({finding.remedy})' if finding.remedy else ''
        print(
            f'  {finding.name:22}{finding.found or "absent":14}'
            f'{finding.verdict}{remedy}'
        )
    if any(finding.verdict == 'broken' for finding in findings):
        sys.exit(1)

    import torch
    from mmrazor.registry import MODELS

    from cankd_mm import compat
    from cankd_mm.compat.mmcv_ops.provider import find_compiled
    from cankd_mm.utils.torchvision_state import (
        SLOWER,
        torchvision_problem,
        torchvision_remedy,
    )

    print('  workarounds applied:  ' + (', '.join(compat.applied()) or 'none'))
    problem = torchvision_problem()
    without = 'torchvision and torch' if problem is None else 'torch'
    operators = 'compiled' if find_compiled() else without
    print(f"  mmcv's operators:     {operators}")
    gpus = torch.cuda.device_count()
    name = f', {torch.cuda.get_device_name()}' if gpus else ''
    print(f'  GPUs:                 {gpus}{name}')
    works = MODELS.get('FrozenTeacherDistill') is not None
    if problem is not None and not find_compiled():
        print(
            f'WARNING: torchvision: {problem}. {SLOWER}. Remedy: '
            f'{torchvision_remedy()}'
        )
    print('Ready.' if works else 'FrozenTeacherDistill is not registered.')
    sys.exit(not works)


if __name__ == '__main__':
    main()
