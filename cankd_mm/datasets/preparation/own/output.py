"""Writes what a run made, whole or not at all, and over no other files."""

import errno
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cankd_mm.datasets.preparation.own.options import OwnOptions
from cankd_mm.datasets.preparation.own.scan import UNFINISHED
from cankd_mm.datasets.preparation.report import Report, from_here, some
from cankd_mm.datasets.prepared import (
    FOLDER,
    PreparedData,
    description_file,
    read_prepared,
)


class OtherFiles:
    """Files of a result beside those of the splits: none."""

    def differing(self) -> list[str]:
        """Return those that are there and would become different."""
        return []

    def missing(self) -> list[str]:
        """Return those that are not there yet."""
        return []

    def make(self, report: Report) -> bool:
        """Make those that differ or are missing.

        Args:
            report: Where it is noted what could not be made.

        Returns:
            Whether all are there.
        """
        return True


@dataclass(frozen=True)
class Output:
    """What a run makes.

    Attributes:
        data: Its description.
        texts: The files of the splits, relative to the data root.
        counts: How many images each split has.
        others: Other files.
    """

    data: PreparedData
    texts: dict[str, str]
    counts: dict[str, int]
    others: OtherFiles = field(default_factory=OtherFiles)


def data_root(report: Report, options: OwnOptions) -> Path:
    """Return the folder that configs call data root.

    Args:
        report: Has the folder that was looked at.
        options: May name another one to write into.
    """
    return Path(os.path.abspath(options.out or report.root))


def is_writable(report: Report, options: OwnOptions) -> bool:
    """Return whether results can be written; add a problem if not.

    Args:
        report: Where the problem is added.
        options: What to write, and where.
    """
    if options.check_only:
        return True
    root = data_root(report, options)
    folder = root / FOLDER
    try:
        if options.out:
            root.mkdir(parents=True, exist_ok=True)
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, 'it is a file')
        with tempfile.TemporaryFile(dir=folder if folder.exists() else root):
            return True
    except OSError as error:
        report.problem(
            f'{folder} cannot be written ({error.strerror})',
            'name a folder that can be, with --out FOLDER',
        )
        return False


def write_output(report: Report, output: Output, options: OwnOptions) -> None:
    """Write a result, unless it is there, or another one is.

    Args:
        report: Where it is noted, and how configs use it.
        output: The result.
        options: Whether to write, where, and over what.
    """
    root = data_root(report, options)
    missing = [n for n in output.texts if not (root / n).is_file()]
    differing = [n for n in output.texts if _differs(root, n, output)]
    differing += output.others.differing()
    description = description_file(root)
    described = description.is_file()
    same = described and _read(description) == output.data.as_json()
    if same and not missing and not differing and not output.others.missing():
        _use(report, root, output, 'Nothing to write: the same are there:')
        return
    is_ours = described or (root / FOLDER / UNFINISHED).is_file()
    if differing and not is_ours:
        report.problem(
            f'{some(differing)} in {root}: there, but not written by this '
            'command',
            'move it away, or write elsewhere with --out FOLDER',
        )
    elif (differing or described and not same) and not options.overwrite:
        report.problem(
            f'{FOLDER}/ in {root} holds another result: '
            f'{_difference(root, output, differing)}',
            'replace it with --overwrite, or write elsewhere with --out '
            'FOLDER',
        )
    elif options.check_only:
        report.problem(
            f'{FOLDER}/ in {root} is not written yet',
            'run this command without --check-only',
        )
    elif _write(report, root, output):
        _use(report, root, output, 'Wrote')


def _write(report: Report, root: Path, output: Output) -> bool:
    description = description_file(root)
    unfinished = root / FOLDER / UNFINISHED
    stale = _stale(root, output)
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(output.data.as_json(), encoding='utf-8')
        # Without it, nothing reads files of which some are old.
        description.unlink(missing_ok=True)
        if not output.others.make(report):
            return False
        parts = {}
        for name, text in output.texts.items():
            parts[name] = root / f'{name}.part'
            parts[name].write_text(text, encoding='utf-8')
        for name, part in parts.items():
            os.replace(part, root / name)
        for file in stale:
            file.unlink(missing_ok=True)
        os.replace(unfinished, description)
    except OSError as error:
        report.problem(
            f'{error.filename or root / FOLDER} cannot be written '
            f'({error.strerror})',
            'make room or write elsewhere with --out FOLDER, and run this '
            'command again',
        )
        return False
    return True


def _use(report: Report, root: Path, output: Output, done: str) -> None:
    files = [*output.texts, f'{FOLDER}/dataset.json']
    report.usage = [
        f'{done} {", ".join(files)}',
        'In a config, or with --cfg-options:',
        f'  data_root = {str(from_here(root)) + "/"!r}',
        f'  classes = {output.data.classes!r}',
    ]


def _differs(root: Path, name: str, output: Output) -> bool:
    path = root / name
    return path.is_file() and _read(path) != output.texts[name]


def _read(path: Path) -> str:
    return path.read_text(encoding='utf-8', errors='replace')


def _stale(root: Path, output: Output) -> list[Path]:
    """Return files of an earlier result that this one does not have."""
    try:
        earlier = read_prepared(root)
    except ValueError:
        return []
    names = set(earlier.splits.values()) if earlier else set()
    folder = (root / FOLDER).resolve()
    files = [root / name for name in sorted(names - set(output.texts))]
    # The description may have been edited.
    return [file for file in files if file.resolve().parent == folder]


def _difference(root: Path, output: Output, differing: list[str]) -> str:
    try:
        earlier = read_prepared(root)
    except ValueError as error:
        return str(error)
    if earlier is None:
        return some(differing)
    parts = []
    if earlier.task != output.data.task:
        parts.append(f'{earlier.task} then, {output.data.task} now')
    elif earlier.classes != output.data.classes:
        parts.append(
            f'classes {earlier.classes} then, {output.data.classes} now'
        )
    for split in output.data.splits | earlier.splits:
        then = _count(root, earlier.splits.get(split))
        now = output.counts.get(split, 0)
        parts.append(f'{split} {then:,} images then, {now:,} now')
    return '; '.join([*parts, *(f'{name} differs' for name in differing[:3])])


def _count(root: Path, name: str | None) -> int:
    """Return how many images the file of a split has."""
    if name is None or not (root / name).is_file():
        return 0
    text = _read(root / name)
    if name.endswith('.txt'):
        return len(text.splitlines())
    try:
        return len(json.loads(text)['images'])
    except (KeyError, TypeError, ValueError):
        return 0
