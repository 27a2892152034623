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
    if not cfg.filename or not Path(cfg.filename).is_file():
        return []
    if Config._is_lazy_import(cfg.filename):
        return []
    return list(_contents(cfg.filename))


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
    """Whether a config file belongs to an installed package."""
    parts = Path(cfg.filename or '').parts
    return any(
        parts[i : i + len(_PACKAGED)] == _PACKAGED for i in range(len(parts))
    )


def _contents(path: str) -> Iterator[Mapping[str, Any]]:
    yield Config._file2dict(path)[0]
    for base in Config._get_base_files(path):
        yield from _contents(Config._get_cfg_path(base, path)[0])
