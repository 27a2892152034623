"""The data sets inside of wrappers."""

from collections.abc import Iterator
from typing import Any

from cankd_mm.datasets.inspection.steps import all_steps

_ONE = ('dataset', '_dataset')


def unwrapped_with_steps(
    dataset: Any, outer: tuple = ()
) -> Iterator[tuple[Any, list]]:
    """Return the data sets that read files, each with its steps.

    Args:
        dataset: A data set, or a wrapper that repeats, concatenates, slices,
            balances or mixes others.
        outer: The steps of the wrappers around it, which are part of each
            list.
    """
    steps = (*all_steps(getattr(dataset, 'pipeline', None)), *outer)
    inner = getattr(dataset, 'datasets', None)
    if isinstance(inner, list | tuple):
        for part in inner:
            yield from unwrapped_with_steps(part, steps)
        return
    for name in _ONE:
        part = getattr(dataset, name, None)
        if hasattr(part, '__getitem__') and hasattr(part, '__len__'):
            yield from unwrapped_with_steps(part, steps)
            return
    yield dataset, list(steps)
