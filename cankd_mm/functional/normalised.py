"""Instance-normalised chunks of channels and their errors.

Instance norm and squared errors never mix channels. Of a chunk of channels
only sums are kept; a backward pass makes the chunk anew. So no normalised
copy of a map is stored.

Shapes: B images, c channels of a chunk, M positions.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Normalised(NamedTuple):
    """An instance-normalised chunk.

    Attributes:
        map: u, what the norm returns.
        scale: The factor 1 / sqrt(variance + eps) in it.
        square: The mean of :math:`u^2`, below 1 by ``eps``.

    Shape:
        - map: :math:`(B, c, M)`
        - scale, square: :math:`(B, c, 1)`
    """

    map: Tensor
    scale: Tensor
    square: Tensor


def normalise(x: Tensor, eps: float) -> Normalised:
    """Instance norm of a chunk.

    Args:
        x: The chunk, (B, c, M).
        eps: Added to the variances.
    """
    u = x - x.mean(2, keepdim=True)
    variance = mean_square(u, 2)
    scale = (variance + eps).rsqrt()
    return Normalised(u.mul_(scale), scale, variance * scale.square())


def mean_square(x: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Mean square over dimensions, which stay with size 1."""
    norm = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    return norm.square_().mul_(norm.numel() / x.numel())


def squared_errors(first: Normalised, second: Normalised) -> Tensor:
    """Mean square of the difference in each channel, (B, c, 1)."""
    return mean_square(first.map - second.map, 2)


def error_gradient(
    first: Normalised, second: Normalised, errors: Tensor
) -> Tensor:
    r"""Gradient of half the summed squares by the first chunk, before norm.

    .. math::
        a (u - v - u \overline{u (u - v)}), \quad
        \overline{u (u - v)} = \left(\overline{u^2} - \overline{v^2} +
        \overline{(u - v)^2}\right) / 2

    with the maps u and v, the first one's scale a, and bars for means over
    positions. Its mean is 0 but for rounding, which is taken out: multiplied
    by a map far from 0 it would grow to an error of a parameter's gradient.

    Args:
        first: The chunk that is moved.
        second: The chunk it is compared with.
        errors: Their :func:`squared_errors`.
    """
    kept = 1 - (first.square - second.square + errors) / 2
    gradient = first.map * (first.scale * kept)
    gradient.addcmul_(second.map, first.scale, value=-1)
    gradient -= gradient.mean(2, keepdim=True)
    return gradient
