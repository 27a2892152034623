"""Instance-normalised maps and their errors, a few channels at a time.

Instance norm, BatchNorm and squared errors never mix channels. Of a chunk of
channels only sums are kept; a backward pass makes the chunk anew. So no
normalised copy of a map is stored, and a chunk stays in the cache.

Shapes: B images, C channels, c channels of a chunk, M positions.
"""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor

# Elements of a chunk. On a CPU a few chunks of this size fit the cache, and a
# map that is no larger needs no chunks; other devices want more to do.
CPU_ELEMENTS = 2**20
DEVICE_ELEMENTS = 2**25


def channel_chunks(x: Tensor) -> Iterator[slice]:
    """Yields slices of the channels of a map of shape (B, C, ...)."""
    return _chunks(x, 1)


def position_chunks(x: Tensor) -> Iterator[slice]:
    """Yields slices of the positions of a map of shape (B, C, M)."""
    return _chunks(x, 2)


def number_of_chunks(x: Tensor) -> int:
    """Into how many parts a map is cut so that none of them is large."""
    return ceil(x.numel() / chunk_elements(x.device))


def chunk_elements(device: torch.device) -> int:
    """How many elements a chunk should have."""
    return CPU_ELEMENTS if device.type == 'cpu' else DEVICE_ELEMENTS


def _chunks(x: Tensor, dim: int) -> Iterator[slice]:
    size = x.size(dim)
    step = ceil(size / number_of_chunks(x))
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


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
    positions.

    Args:
        first: The chunk that is moved.
        second: The chunk it is compared with.
        errors: Their :func:`squared_errors`.
    """
    kept = 1 - (first.square - second.square + errors) / 2
    gradient = first.map * (first.scale * kept)
    return gradient.addcmul_(second.map, first.scale, value=-1)
