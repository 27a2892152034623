"""Large maps part by part, so that what is made of a part fits the cache."""

from collections.abc import Iterator
from math import ceil

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
