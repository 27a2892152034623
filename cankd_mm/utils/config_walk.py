"""Walks through the dicts of a config."""

from collections.abc import Iterator, Mapping
from typing import Any


def dicts(config: Any, key: str = '') -> Iterator[tuple[str, Mapping]]:
    """Every dict of a config with its key, the outer ones first."""
    if isinstance(config, Mapping):
        yield key, config
        items = config.items()
    elif isinstance(config, list | tuple):
        items = enumerate(config)
    else:
        return
    for name, value in items:
        yield from dicts(value, f'{key}.{name}' if key else str(name))
