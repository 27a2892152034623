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

from cankd_mm.functional.chunks import channel_chunks
from cankd_mm.functional.first_derivatives import first_derivatives_only
from cankd_mm.utils.levels import full_type


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


def channel_sums(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All sums of two maps, which are read once in each pass.

    Args:
        x: A feature map.
        target: As in :func:`squared_distance`.

    Returns:
        :func:`absolute_sum` of the map and of the target, and
        :func:`squared_distance`.

    Shape:
        - x, target: :math:`(B, C, H, W)`
        - output: :math:`(B, 1, H, W)` each
    """
    absolute, distance, of_target = _ChannelSums.apply(x, target, True)
    return absolute, of_target, distance


class _ChannelSums(torch.autograd.Function):
    """Without a target there is no distance, and without ``absolute`` no sum.

    What there is not is None.
    """

    @staticmethod
    def forward(ctx, x, target, absolute):
        ctx.save_for_backward(x, target)
        ctx.set_materialize_grads(False)
        sums = of_target = distance = None
        dtype = _type_of_sums(x, target)
        for part in channel_chunks(x):
            chunk = x[:, part].to(dtype)
            if absolute:
                sums = _plus(sums, chunk.abs())
            if target is None:
                continue
            theirs = target[:, part].to(dtype)
            distance = _plus(distance, (chunk - theirs).square_())
            if absolute:
                of_target = _plus(of_target, theirs.abs())
        if of_target is not None:
            ctx.mark_non_differentiable(of_target)
        return sums, distance, of_target

    @staticmethod
    @first_derivatives_only
    def backward(ctx, grad_sums, grad_distance, _):
        if grad_sums is None and grad_distance is None:
            return None, None, None
        x, target = ctx.saved_tensors
        dtype = _type_of_sums(x, target)
        grad = torch.empty_like(x)
        for part in channel_chunks(x):
            chunk = x[:, part].to(dtype)
            if grad_distance is None:
                grad[:, part] = chunk.sign().mul_(grad_sums)
                continue
            moved = (chunk - target[:, part]).mul_(2 * grad_distance)
            if grad_sums is not None:
                moved.addcmul_(chunk.sign(), grad_sums)
            grad[:, part] = moved
            del moved  # before the next chunk is made
        return grad, None, None


def _plus(total: Tensor | None, chunk: Tensor) -> Tensor:
    """Adds the channels of a chunk to a total, which it is if there is none.

    For absolute values this is twice as fast as the 1-norm of torch.linalg.
    """
    summed = chunk.sum(1, keepdim=True)
    return summed if total is None else total.add_(summed)


def _type_of_sums(x: Tensor, target: Tensor | None) -> torch.dtype:
    """At least float32."""
    return full_type(x) if target is None else full_type(x, target)
