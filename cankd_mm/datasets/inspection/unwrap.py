"""The data sets inside of wrappers."""

from collections.abc import Iterator
from typing import Any

_ONE = ('dataset', '_dataset')


def unwrapped(dataset: Any) -> Iterator[Any]:
    """Return the data sets that read files, without those around them.

    Args:
        dataset: A data set, or a wrapper that repeats, concatenates, slices,
            balances or mixes others.
    """
    inner = getattr(dataset, 'datasets', None)
    if isinstance(inner, list | tuple):
        for part in inner:
            yield from unwrapped(part)
        return
    for name in _ONE:
        part = getattr(dataset, name, None)
        if hasattr(part, '__getitem__') and hasattr(part, '__len__'):
            yield from unwrapped(part)
            return
    yield dataset
