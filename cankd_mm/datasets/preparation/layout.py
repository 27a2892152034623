"""Where the files of a data set lie, and where else they may have ended up."""

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cankd_mm.datasets.preparation.data_set import DataSet
from cankd_mm.datasets.preparation.report import Report, from_here


@dataclass(frozen=True)
class Part:
    """A file or folder of a data set, and the archive it comes in.

    Attributes:
        path: Where the configs look for it, relative to the data root.
        archive: The official archive that holds it.
        into: Where the archive is to be extracted, relative to the data
            root; the folder that holds what the archive has at its top.
    """

    path: str
    archive: str
    into: str = '.'


def holds_any(*paths: str) -> Callable[[Path], bool]:
    """A function that tells whether a folder has one of the paths."""
    return lambda folder: any((folder / path).exists() for path in paths)


def at_wrong_level(report: Report, data_set: DataSet) -> bool:
    """Notes that the data root is above or below the given folder."""
    root = report.root
    if data_set.is_root(root):
        return False
    # VOC2007 has the folders of VOC2012.
    usual = Path(data_set.data_root).name
    above = [root.parent, root.parent.parent]
    below = sorted(_folders_below(root), key=lambda path: path.name != usual)
    for folder in above + below:
        if data_set.is_root(folder):
            level = 'low' if folder in above else 'high'
            report.problem(
                f'{root} is on too {level} a level of the data set',
                f'run this command on {folder}',
            )
            return True
    return False


def holds_other_data(report: Report, data_set: DataSet) -> bool:
    """Notes that a folder has images, and nothing of the data set's."""
    root = report.root
    if data_set.is_root(root):
        return False
    for folder in (root, *_folders_below(root)):
        if any(_is_image(path) for path in _paths(folder)):
            report.problem(
                f'{root} has images, and is not laid out as {data_set.title}',
                'if they are your own: python tools/prepare_data.py '
                f'{data_set.own_data} {shlex.quote(str(from_here(root)))}',
            )
            return True
    return False


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ('.jpg', '.jpeg', '.png')


def require(report: Report, part: Part) -> bool:
    """Whether a part is where it belongs; notes what to do if it is not."""
    root, path = report.root, report.root / part.path
    # Some archives hold a folder of their own name.
    nested = path / path.name
    if path.exists() and not nested.is_dir():
        return True
    elsewhere = [child / path.name for child in _folders(path.parent)]
    elsewhere += [child / part.path for child in _folders(root)]
    for found in elsewhere:
        if found.exists():
            what = 'what is in it' if found == nested else 'it'
            report.problem(
                f'no {part.path}, but {found.relative_to(root)} is there',
                f'if that is it, move {what} to {path}',
            )
            return False
    into = Path(os.path.normpath(root / part.into))
    for folder in dict.fromkeys((root, into, root.parent)):
        archive = folder / part.archive
        if archive.is_file():
            report.problem(
                f'no {part.path}, but {part.archive} is there',
                f'extract it: {_extract(archive, into)}',
            )
            return False
    report.problem(
        f'no {part.path} in {root}',
        f'get {part.archive} ({report.url}) and extract it into {into}',
    )
    return False


def _extract(archive: Path, into: Path) -> str:
    if archive.suffix == '.zip':
        command = ['unzip', '-q', str(archive), '-d', str(into)]
    else:
        command = ['tar', '-xf', str(archive), '-C', str(into)]
    return f'mkdir -p {shlex.quote(str(into))} && {shlex.join(command)}'


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries)


def _folders(folder: Path) -> Iterator[Path]:
    yield from (path for path in _paths(folder) if path.is_dir())


def _folders_below(folder: Path) -> Iterator[Path]:
    """The folders one and two levels below."""
    for child in _folders(folder):
        yield child
        yield from _folders(child)


def names_in(folder: Path, suffix: str) -> set[str]:
    """What files end in the suffix, at any depth, without it.

    Args:
        folder: Where to look; links are followed.
        suffix: The end of their names.

    Returns:
        Paths relative to the folder.
    """
    names = set()
    for parent, _, files in os.walk(folder, followlinks=True):
        below = os.path.relpath(parent, folder)
        prefix = '' if below == os.curdir else f'{below}/'
        names.update(
            prefix + file.removesuffix(suffix)
            for file in files
            if file.endswith(suffix)
        )
    return names


def image_names(report: Report, folder: str, suffix: str) -> set[str]:
    """The images of a folder, without suffix; none is a problem."""
    names = names_in(report.root / folder, suffix)
    if not names:
        report.problem(
            f'no *{suffix} in {folder}', 'extract its archive again'
        )
    return names


def listed_names(report: Report, path: str) -> list[str]:
    """The lines of a split list, as the data set classes read them.

    They take a line as it is: spaces and empty lines become part of a file
    name. Such lines are noted as a problem, and left out.
    """
    names, odd = [], []
    text = (report.root / path).read_text()
    for number, line in enumerate(text.splitlines(), 1):
        if line and line == line.strip():
            names.append(line)
        else:
            odd.append(f'line {number} is {line!r}')
    report.missing(
        f'lines of {path} are empty or have spaces around the name',
        odd,
        'mend the list',
    )
    if not names and not odd:
        report.problem(f'{path} is empty', 'extract its archive again')
    return names
