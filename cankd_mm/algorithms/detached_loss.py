"""Loss values that leave every gradient as it is."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def detached_loss(value: Tensor, parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return a loss value with a gradient of exactly 0 for each parameter.

    ``DistributedDataParallel`` waits for a gradient of each parameter in the
    last backward. Neither the value nor the numbers in the parameters reach
    a gradient, which 0 times their sum would not promise: 0 times NaN is NaN.

    Args:
        value: The loss, for logs.
        parameters: What gets a gradient of 0.

    Shape:
        - value, output: scalar
    """
    return _DetachedLoss.apply(value.detach(), *parameters)


class _DetachedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: Tensor, *parameters: Tensor) -> Tensor:
        ctx.save_for_backward(*parameters)
        return value.clone()

    @staticmethod
    def backward(ctx, _) -> tuple:
        return None, *map(torch.zeros_like, ctx.saved_tensors)
