"""What the bases of a config file have at their top."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cankd_mm.config.own_data.places import data_roots

# Of an installed package, where recipes are what they are.
_PACKAGED = Path('.mim', 'configs').parts


def earlier_contents(cfg: Config) -> list[Mapping[str, Any]]:
    """Return the contents of a config's file and of its bases.

    They are read as MMEngine merges them, without any override of ours.

    Args:
        cfg: Its own content may have changed since it was read.

    Returns:
        The file itself first; empty for a config that was not read from one,
        or whose bases are Python imports.
    """
    return [content for _, content in _files_of(cfg)]


def values_of_recipes(cfg: Config, key: str) -> list[Any]:
    """Return the values that a key at the top has in other packages' files.

    Args:
        cfg: A config.
        key: A key at the top.
    """
    return [
        content[key]
        for path, content in _files_of(cfg)
        if _is_packaged(path) and key in content
    ]


def earlier_values(contents: list[Mapping[str, Any]], key: str) -> list[Any]:
    """Return the different values that a key at the top has had.

    Args:
        contents: As :func:`earlier_contents` returns them.
        key: A key at the top.
    """
    values = []
    for content in contents:
        if key in content and content[key] not in values:
            values.append(content[key])
    return values


def earlier_roots(contents: list[Mapping[str, Any]]) -> set[str]:
    """Return every ``data_root`` that data sets of the bases have.

    Args:
        contents: As :func:`earlier_contents` returns them.
    """
    return {root for content in contents[1:] for root in data_roots(content)}


def is_packaged(cfg: Config) -> bool:
    """Whether a config file belongs to another installed package."""
    return _is_packaged(cfg.filename or '')


def _is_packaged(path: str) -> bool:
    parts = Path(path).parts
    for index in range(1, len(parts)):
        if parts[index : index + 2] == _PACKAGED:
            return parts[index - 1] != 'cankd_mm'
    return False


def _files_of(cfg: Config) -> list[tuple[str, Mapping[str, Any]]]:
    path = cfg.filename
    if not path or not Path(path).is_file() or Config._is_lazy_import(path):
        return []
    return list(_contents(path))


def _contents(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, Config._file2dict(path)[0]
    for base in Config._get_base_files(path):
        yield from _contents(Config._get_cfg_path(base, path)[0])
