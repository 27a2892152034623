"""What the bases of a config file have at their top."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cankd_mm.config.own_data.places import data_roots

# Where the recipes of an installed package are.
_PACKAGED = Path('.mim', 'configs').parts


class Ancestors:
    """The file of a config and its bases, as MMEngine merges them.

    They are read when they are needed first, without this package's
    overrides. There are none for a config that was not read from a file, or
    whose bases are Python imports.

    Args:
        cfg: A config; it may have changed since it was read.
    """

    def __init__(self, cfg: Config) -> None:
        self._path = cfg.filename or ''

    @property
    def contents(self) -> list[Mapping[str, Any]]:
        """The contents of the file itself, and of all bases."""
        return [content for _, content in self._files]

    @property
    def bases(self) -> list[Mapping[str, Any]]:
        """The contents of all bases."""
        return self.contents[1:]

    @property
    def is_packaged(self) -> bool:
        """Whether the file belongs to another installed package."""
        return _is_packaged(self._path)

    @property
    def roots(self) -> set[str]:
        """Every ``data_root`` that data sets of the bases have."""
        return {root for base in self.bases for root in data_roots(base)}

    def roots_beside(self, root: str) -> set[str]:
        """Return folders that a file itself names for data sets beside a root.

        Args:
            root: The ``data_root`` at the top of that file.
        """
        found: set[str] = set()
        contents = self.contents
        for number, content in enumerate(contents):
            if content.get('data_root') == root:
                earlier = map(data_roots, contents[number + 1 :])
                found |= set(data_roots(content)).difference(*earlier)
        return found

    def values(self, key: str, of_recipes: bool = False) -> list[Any]:
        """Return the different values that a key at the top has had.

        Args:
            key: A key at the top.
            of_recipes: Only those in files of other packages.
        """
        values = []
        for path, content in self._files:
            if of_recipes and not _is_packaged(path):
                continue
            if key in content and content[key] not in values:
                values.append(content[key])
        return values

    @cached_property
    def _files(self) -> list[tuple[str, Mapping[str, Any]]]:
        path = self._path
        if not Path(path).is_file() or Config._is_lazy_import(path):
            return []
        return list(_contents(path))


def _is_packaged(path: str) -> bool:
    parts = Path(path).parts
    for index in range(1, len(parts)):
        if parts[index : index + 2] == _PACKAGED:
            return parts[index - 1] != 'cankd_mm'
    return False


def _contents(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, Config._file2dict(path)[0]
    for base in Config._get_base_files(path):
        yield from _contents(Config._get_cfg_path(base, path)[0])
