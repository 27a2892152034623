"""Walks through the dicts of a config."""

from collections.abc import Iterator, Mapping
from typing import Any

_OF_A_DATA_SET = {'ann_file', 'data_root', 'pipeline'}
_OF_A_WRAPPER = {'dataset', 'datasets'}


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


def data_sets(config: Any, key: str = '') -> Iterator[tuple[str, Mapping]]:
    """Every data set of a config with its key, without those around it.

    A repeated or a concatenated data set is a wrapper around the ones that
    read files, which are the ones returned.
    """
    for found, part in dicts(config, key):
        is_set = 'type' in part and part.keys() & _OF_A_DATA_SET
        if is_set and not part.keys() & _OF_A_WRAPPER:
            yield found, part


def metrics(config: Any, key: str) -> Iterator[tuple[str, Mapping]]:
    """Yield the metrics of an evaluator with their keys.

    Args:
        config: The evaluator: a metric, several, or a dict of ``metrics``.
        key: Its own key.
    """
    if isinstance(config, list | tuple):
        for index, item in enumerate(config):
            yield from metrics(item, f'{key}.{index}')
    elif isinstance(config, Mapping) and 'metrics' in config:
        yield from metrics(config['metrics'], f'{key}.metrics')
    elif isinstance(config, Mapping) and 'type' in config:
        yield key, config


def type_name(config: Any) -> str:
    """Return the name of the class that a ``type`` is, without its scope."""
    kind = config.get('type') if isinstance(config, Mapping) else None
    if isinstance(kind, str):
        return kind.rpartition('.')[2]
    return getattr(kind, '__name__', '')
