"""Where a config speaks of data."""

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from cankd_mm.utils.config_walk import data_sets, dicts

SPLITS = ('train', 'val', 'test')


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


def metrics_of(config: Mapping, split: str) -> Iterator[tuple[str, Mapping]]:
    """Yield the metrics of an evaluator with their keys.

    Args:
        config: A whole config.
        split: 'val' or 'test'.
    """
    key = f'{split}_evaluator'
    for found, part in dicts(config.get(key), key):
        if 'type' in part:
            yield found, part


def type_name(part: Any) -> str:
    """Return the name of a dict's ``type``, without its scope."""
    kind = part.get('type') if isinstance(part, Mapping) else None
    if isinstance(kind, str):
        return kind.rpartition('.')[2]
    return getattr(kind, '__name__', '')


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
