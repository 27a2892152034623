"""Sums over the channels of a map, a few channels at a time.

Torch's own steps keep a map or two for each of these sums. Here a chunk of
channels is read once, added up while it is in the cache and dropped; the
backward pass reads it again and writes the gradient, in closed form, into the
only full map that there is. Sums of half features are in float32, and so is
what leads to them, but for no more than a chunk.

The sums have first derivatives only; ``create_graph=True`` raises.

Shapes: B images, C channels, H x W positions.
"""

import torch
from torch import Tensor

from cankd_mm.functional.channel_chunks import channel_chunks
from cankd_mm.functional.first_derivatives import first_derivatives_only


def absolute_sum(x: Tensor) -> Tensor:
    r"""Sum of the absolute values of each position's channels.

    .. math:: \sum_c |x_c|

    Args:
        x: A feature map.

    Returns:
        The sums, in at least float32.

    Shape:
        - x: :math:`(B, C, H, W)`
        - output: :math:`(B, 1, H, W)`
    """
    return _ChannelSums.apply(x, None, True)[0]


def squared_distance(x: Tensor, target: Tensor) -> Tensor:
    r"""Squared distance of each position's channels to those of a constant.

    .. math:: \sum_c (x_c - t_c)^2

    Args:
        x: A feature map.
        target: The map t it is compared with, which gets no gradient.

    Returns:
        The distances, in at least float32.

    Shape:
        - x, target: :math:`(B, C, H, W)`
        - output: :math:`(B, 1, H, W)`
    """
    return _ChannelSums.apply(x, target, False)[1]


def absolute_sum_and_squared_distance(
    x: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    """Both sums of one map, which is read once in each pass.

    Args:
        x: A feature map.
        target: As in :func:`squared_distance`.

    Returns:
        What :func:`absolute_sum` and :func:`squared_distance` return.

    Shape:
        - x, target: :math:`(B, C, H, W)`
        - output: :math:`(B, 1, H, W)` each
    """
    return _ChannelSums.apply(x, target, True)


class _ChannelSums(torch.autograd.Function):
    """Without a target there is no distance, and without ``absolute`` no sum.

    What there is not is None.
    """

    @staticmethod
    def forward(ctx, x, target, absolute):
        ctx.save_for_backward(x, target)
        ctx.set_materialize_grads(False)
        shape = x.size(0), 1, *x.shape[2:]
        zeros = x.new_zeros(shape, dtype=_sum_type(x, target))
        total = zeros if absolute else None
        distance = None if target is None else zeros.clone()
        for part in channel_chunks(x):
            chunk = x[:, part].to(zeros.dtype)
            if absolute:
                # Twice as fast as the 1-norm of torch.linalg.
                total += chunk.abs().sum(1, keepdim=True)
            if target is not None:
                error = chunk - target[:, part]
                distance += error.square_().sum(1, keepdim=True)
        return total, distance

    @staticmethod
    @first_derivatives_only
    def backward(ctx, grad_total, grad_distance):
        if grad_total is None and grad_distance is None:
            return None, None, None
        x, target = ctx.saved_tensors
        dtype = _sum_type(x, target)
        grad = torch.empty_like(x)
        for part in channel_chunks(x):
            chunk = x[:, part].to(dtype)
            if grad_distance is None:
                grad[:, part] = chunk.sign() * grad_total
                continue
            moved = (chunk - target[:, part]).mul_(2 * grad_distance)
            if grad_total is not None:
                moved.addcmul_(chunk.sign(), grad_total)
            grad[:, part] = moved
        return grad, None, None


def _sum_type(x: Tensor, target: Tensor | None) -> torch.dtype:
    """Of the sums: at least float32."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    if target is None:
        return dtype
    return torch.promote_types(dtype, target.dtype)
