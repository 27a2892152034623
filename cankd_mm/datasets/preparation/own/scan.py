"""Finds the files of a folder, without those that programs leave behind."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cankd_mm.datasets import prepared
from cankd_mm.datasets.preparation.own.faults import Faults, Kind

#: Files that are taken for images; whether they are is found by decoding.
_SUFFIXES = (
    '.jpg .jpeg .jpe .jfif .png .bmp .dib .webp .tif .tiff .gif .ppm .pgm '
    '.pnm .avif .heic'
)
IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
#: Made by unpacking programs, network disks and file managers. What begins
#: with a dot is left out as well.
_IGNORED = frozenset(['__macosx', '@eadir', 'thumbs.db', 'desktop.ini'])
#: How the description is called until everything is written.
UNFINISHED = 'dataset.json.part'

UNREADABLE_FOLDER = Kind(
    'folder',
    'that could not be opened',
    'make it readable (chmod)',
    left_out=True,
)
UNUSABLE_NAME = Kind(
    'file',
    'whose name is not UTF-8 or has a line break',
    'rename the file, and its label in the same way',
    left_out=True,
)


@dataclass(frozen=True)
class Contents:
    """The files below a folder, as sorted paths relative to it, with '/'.

    Attributes:
        root: The folder.
        images: Files that end as images do.
        others: All other files, by their ending in lower case.
    """

    root: Path
    images: tuple[str, ...]
    others: dict[str, tuple[str, ...]]

    def of(self, *suffixes: str) -> list[str]:
        """Return the files with one of the endings, such as '.xml'."""
        return sorted(
            name for suffix in suffixes for name in self.others.get(suffix, ())
        )


def nearest_first(names: Iterable[str]) -> list[str]:
    """Sort files by how far below the root they are, then by name."""
    return sorted(names, key=lambda name: (name.count('/'), name))


def scan(root: Path, faults: Faults) -> Contents:
    """Find the files of a folder and of those below it; links are followed.

    Args:
        root: The folder.
        faults: Where folders that cannot be opened, and names that cannot be
            written into a list, are added.

    Returns:
        What is there, without what this command wrote earlier.
    """
    images, others = [], defaultdict(list)
    for name in _files(root, '', (), faults):
        if not name.isprintable() and not _is_usable(name):
            shown = name.encode('utf-8', 'backslashreplace').decode()
            faults.add(UNUSABLE_NAME, shown.replace('\n', '\\n'))
            continue
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            images.append(name)
        else:
            others[suffix].append(name)
    return Contents(
        root,
        tuple(sorted(images)),
        {suffix: tuple(sorted(names)) for suffix, names in others.items()},
    )


def _is_usable(name: str) -> bool:
    try:
        name.encode('utf-8')
    except UnicodeEncodeError:
        return False
    return len(name.splitlines()) == 1


def _files(
    folder: Path, prefix: str, above: tuple, faults: Faults
) -> Iterator[str]:
    try:
        status = folder.stat()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        faults.add(UNREADABLE_FOLDER, f'{prefix or folder} ({error.strerror})')
        return
    here = (status.st_dev, status.st_ino)
    # A link to a folder that holds it would be followed forever.
    if here in above:
        return
    for entry in entries:
        if entry.name.startswith('.') or entry.name.lower() in _IGNORED:
            continue
        if entry.is_dir():
            if not _is_result(Path(entry.path)):
                yield from _files(
                    Path(entry.path),
                    f'{prefix}{entry.name}/',
                    (*above, here),
                    faults,
                )
        # A link that leads nowhere is reported when it is read. A pipe, say,
        # would never end.
        elif entry.is_file() or entry.is_symlink():
            yield prefix + entry.name


def _is_result(folder: Path) -> bool:
    """Whether an earlier run of this command made a folder."""
    if folder.name != prepared.FOLDER:
        return False
    described = prepared.description_file(folder.parent)
    return described.is_file() or (folder / UNFINISHED).is_file()
