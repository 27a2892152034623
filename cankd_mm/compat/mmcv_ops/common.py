"""What the operators share: torchvision, precision, gradients."""

import functools
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


@functools.cache
def _torchvision_runs_on(device_type: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            import torchvision  # noqa: F401
        boxes = torch.zeros(1, 4, device=device_type)
        torch.ops.torchvision.nms(boxes, boxes[:, 0], 0.5)
    # A torchvision built for another torch (PyPI's CUDA wheel beside a
    # CPU-only torch) fails in various ways, and seldom with ImportError.
    except Exception:
        return False
    return True


def torchvision_ops(tensor: Tensor):
    """Returns ``torch.ops.torchvision`` if it works on the tensor's device.

    Args:
        tensor: A tensor the operator is to be called with.

    Returns:
        The namespace of operators, or None.
    """
    if _torchvision_runs_on(tensor.device.type):
        return torch.ops.torchvision
    return None


def at_least_float32(*tensors: Tensor) -> list[Tensor]:
    """Converts tensors of half precision to float32 and detaches all."""
    half = (torch.float16, torch.bfloat16)
    return [
        x.detach().float() if x.dtype in half else x.detach() for x in tensors
    ]


def gradients(
    function: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    grad_output: Tensor,
) -> tuple[Tensor, ...]:
    """Differentiates a function at its inputs, computing it once more.

    Args:
        function: Takes the inputs, returns one tensor.
        inputs: Floating-point tensors.
        grad_output: Gradient with respect to the output.

    Returns:
        The gradient with respect to each input.
    """
    inputs = [x.detach().requires_grad_() for x in inputs]
    with torch.enable_grad():
        output = function(*inputs)
    return torch.autograd.grad(output, inputs, grad_output.to(output))
