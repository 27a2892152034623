"""Finds the data sets of a config and their folders."""

import os
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from pathlib import PurePath
from typing import Any

from cankd_mm.datasets.prepared import SPLITS
from cankd_mm.utils.config_walk import data_sets

# What a data set keeps when it reads other files.
_KEPT = (
    '_scope_',
    'backend_args',
    'data_root',
    'filter_cfg',
    'indices',
    'lazy_init',
    'max_refetch',
    'metainfo',
    'pipeline',
    'return_classes',
    'serialize_data',
    'test_mode',
)


def data_sets_of(config: Mapping) -> Iterator[tuple[str, str, Mapping]]:
    """Yield the innermost data sets of all dataloaders.

    Args:
        config: A whole config.

    Yields:
        The split ('train', 'val' or 'test'), the key and the data set.
    """
    for split in SPLITS:
        loader = f'{split}_dataloader'
        for key, data in data_sets(config.get(loader), loader):
            yield split, key, data


def data_roots(config: Mapping) -> list[str]:
    """Return the ``data_root`` of every data set that has one."""
    roots = [data.get('data_root') for _, _, data in data_sets_of(config)]
    return [root for root in roots if isinstance(root, str)]


def read_instead(data: MutableMapping, **files: Any) -> None:
    """Let a data set read other files below its folder.

    Its pipeline, its classes, and what else holds for any data set stay.

    Args:
        data: The data set's config; changed in place.
        files: Its new ``type``, and where the files are.
    """
    kept = {key: data[key] for key in _KEPT if key in data}
    data.clear()
    data.update(kept, **files)


def first_of_each(
    parts: Iterable[Mapping], identity: Callable[[Mapping], Any]
) -> list[Mapping]:
    """Return parts without those that have become the same as an earlier one.

    Args:
        parts: Data sets, or metrics.
        identity: What makes two of them the same; None for one that is kept.
    """
    seen, kept = [], []
    for part in parts:
        name = identity(part)
        if name is None or name not in seen:
            kept.append(part)
            seen.append(name)
    return kept


def lies_in(path: str, folder: str) -> bool:
    """Whether a path is a folder, or below it."""
    if os.path.normpath(folder) == os.curdir:
        return False  # where every relative path lies
    return PurePath(os.path.normpath(path)).is_relative_to(
        os.path.normpath(folder)
    )


def same_folder(first: str, second: str) -> bool:
    """Whether two texts name the same folder."""
    return os.path.normpath(first) == os.path.normpath(second)
