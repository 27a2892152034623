"""Synchronized batch norm: the five ``sync_bn_*`` operators.

``mmcv.ops.SyncBatchNorm`` (``MMSyncBN``) computes the statistics of each
process with these operators and averages them between the processes. Ioffe
and Szegedy, "Batch Normalization", https://arxiv.org/abs/1502.03167.

Legend: B batch, C channels, S positions.
"""

import torch
from torch import Tensor

__all__ = [
    'sync_bn_backward_data',
    'sync_bn_backward_param',
    'sync_bn_forward_mean',
    'sync_bn_forward_output',
    'sync_bn_forward_var',
]


def sync_bn_forward_mean(input: Tensor, mean: Tensor) -> None:
    """Writes the mean of each channel.

    Args:
        input: Features, (B, C, S).
        mean: Receives the means, (C,), float32.
    """
    mean.copy_(input.detach().to(mean.dtype).mean((0, 2)))


def sync_bn_forward_var(input: Tensor, mean: Tensor, var: Tensor) -> None:
    """Writes the mean squared distance of each channel from a mean.

    Args:
        input: Features, (B, C, S).
        mean: The mean over all processes, (C,).
        var: Receives the variances, (C,), float32.
    """
    centered = input.detach().to(var.dtype) - mean[:, None]
    var.copy_(centered.square_().mean((0, 2)))


def sync_bn_forward_output(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    norm: Tensor,
    std: Tensor,
    output: Tensor,
    eps: float,
    momentum: float | Tensor,
    group_size: int,
) -> None:
    """Writes the normalized features and updates the running statistics.

    Args:
        input: Features, (B, C, S).
        mean: Mean over all processes, (C,).
        var: Variance over all processes, (C,).
        weight: Scale, (C,), or None.
        bias: Shift, (C,), or None.
        running_mean: Updated where it is tracked, (C,).
        running_var: Updated with the unbiased variance, (C,).
        norm: Receives the features before scale and shift, (B, C, S).
        std: Receives the standard deviations, (C,).
        output: Receives the result, (B, C, S).
        eps: Added to the variance.
        momentum: Weight of this batch in the running statistics.
        group_size: Number of processes, each with B * S values of a channel.
    """
    std.copy_((var + eps).sqrt())
    torch.div(
        input.detach().to(norm.dtype) - mean[:, None], std[:, None], out=norm
    )
    result = norm
    if weight is not None:
        result = result * weight.detach()[:, None] + bias.detach()[:, None]
    output.copy_(result)
    if running_mean is not None:
        count = input.shape[0] * input.shape[2] * group_size
        unbiased = var * count / (count - 1) if count > 1 else var
        momentum = float(momentum)
        running_mean.mul_(1 - momentum).add_(mean, alpha=momentum)
        running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)


def sync_bn_backward_param(
    grad_output: Tensor, norm: Tensor, grad_weight: Tensor, grad_bias: Tensor
) -> None:
    """Writes the gradients by scale and shift of this process.

    Args:
        grad_output: Gradient by the output, (B, C, S).
        norm: What ``sync_bn_forward_output`` wrote there, (B, C, S).
        grad_weight: Receives the gradient by the scale, (C,).
        grad_bias: Receives the gradient by the shift, (C,).
    """
    grad_output = grad_output.detach().to(norm.dtype)
    grad_weight.copy_((grad_output * norm).sum((0, 2)))
    grad_bias.copy_(grad_output.sum((0, 2)))


def sync_bn_backward_data(
    grad_output: Tensor,
    weight: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    norm: Tensor,
    std: Tensor,
    grad_input: Tensor,
) -> None:
    """Writes the gradient by the features.

    Args:
        grad_output: Gradient by the output, (B, C, S).
        weight: Scale, (C,).
        grad_weight: Gradient by the scale, mean over the processes, (C,).
        grad_bias: Gradient by the shift, likewise, (C,).
        norm: What ``sync_bn_forward_output`` wrote there, (B, C, S).
        std: Likewise, (C,).
        grad_input: Receives the gradient, (B, C, S).
    """
    count = grad_output.shape[0] * grad_output.shape[2]
    common = grad_weight[:, None] * norm + grad_bias[:, None]
    grad = grad_output.detach().to(norm.dtype) - common / count
    grad_input.copy_(grad * (weight.detach() / std)[:, None])
