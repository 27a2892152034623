"""torchvision's compiled operators, where they load."""

import functools
import warnings

import torch


@functools.cache
def _loads() -> bool:
    # A torchvision built for another torch (the CUDA wheel of PyPI beside a
    # CPU-only torch) fails with various errors, none of them ImportError.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            import torchvision  # noqa: F401
    except Exception:
        return False
    return True


@functools.cache
def _runs_on(device_type: str) -> bool:
    if not _loads():
        return False
    try:
        boxes = torch.zeros(1, 4, device=device_type)
        torch.ops.torchvision.nms(boxes, boxes[:, 0], 0.5)
    except Exception:
        return False
    return True


def torchvision_ops(tensor: torch.Tensor):
    """Returns ``torch.ops.torchvision`` if it works on the tensor's device.

    Args:
        tensor: A tensor the operator is to be called with.

    Returns:
        The namespace of operators, or None.
    """
    return torch.ops.torchvision if _runs_on(tensor.device.type) else None
