"""Whether torchvision works here, and what to do where it does not.

Where mmcv was installed without its compiled operators, torchvision's kernels
compute three of them. A torchvision that was built for another torch does not
import, and MMEngine, which only expects that it may be absent, then starts no
run.
"""

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from types import FunctionType

import torch

#: What a run without torchvision has to do without.
SLOWER = (
    'NMS, RoIAlign and deformable convolution run in plain torch, which is '
    'slower, above all on a GPU'
)


def torchvision_problem() -> str | None:
    """Return why torchvision cannot be used, None if it can.

    Returns:
        'absent' where it is not installed, otherwise the first line of what
        its import or its NMS raises.
    """
    try:
        import torchvision  # noqa: F401

        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        boxes = torch.zeros(1, 4, device=device)
        torch.ops.torchvision.nms(boxes, boxes[:, 0], 0.5)
    except ModuleNotFoundError as error:
        if error.name == 'torchvision':
            return 'absent'
        return str(error)
    except Exception as error:
        return (str(error) or type(error).__name__).partition('\n')[0]
    return None


def torchvision_remedy() -> str:
    """Return how to install the torchvision that fits the installed torch."""
    found = version('torch')
    remedy = f"pip install 'torch=={found}' torchvision"
    if '+' in found:
        remedy += ', from the index that this torch came from'
    return remedy


def torchvision_notice() -> str | None:
    """Return what to warn of at the start of a run, None if all is well.

    A torchvision that does not import counts as absent from then on.

    The device is the current one, so call it after processes are connected.
    """
    problem = torchvision_problem()
    if problem is None:
        return None
    if problem != 'absent':
        # Left out where only its kernels for the GPU are missing.
        sys.modules.setdefault('torchvision', None)
        return (
            f'torchvision {_version()} does not work with torch '
            f'{torch.__version__} ({problem}). This run goes on without '
            f'it: {SLOWER}. Uninstall it, or install the one that '
            f'fits: {torchvision_remedy()}'
        )
    if torch.cuda.is_available() and _needs_torchvision():
        return (
            f'torchvision is not installed: {SLOWER}. Install the one that '
            f'fits: {torchvision_remedy()}'
        )
    return None


def _version() -> str:
    try:
        return version('torchvision')
    except PackageNotFoundError:
        return 'of an unknown version'


def _needs_torchvision() -> bool:
    """Whether mmcv's operators are Python functions."""
    operators = importlib.import_module('mmcv._ext')
    return isinstance(operators.nms, FunctionType)
