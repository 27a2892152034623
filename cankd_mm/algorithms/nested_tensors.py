"""Tensors in nests of sequences and dicts."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch


def tensors_in(values: Any) -> Iterator[torch.Tensor]:
    """Yields the tensors of a nest of sequences and dicts."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from tensors_in(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)
