"""Makes many files from many, so that a run can be broken off and resumed.

What exists is left alone. A file appears under its name when it is complete:
until then it is called ``<name>.part``, and the next run writes that anew.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from cankd_mm.datasets.preparation.report import Report

#: Files a process is given at once; fewer do not repay starting it.
CHUNK = 16

Item = TypeVar('Item')
Result = TypeVar('Result')


@dataclass(frozen=True)
class Job:
    """A file to make.

    Attributes:
        source: The file it is made from.
        target: The file to make.
    """

    source: Path
    target: Path


@dataclass(frozen=True)
class Options:
    """How a data set is prepared.

    Attributes:
        check_only: Look, and make nothing.
        workers: Processes that convert.
        sbd: Folder of the Semantic Boundaries Dataset, for ``voc_aug``.
    """

    check_only: bool = False
    workers: int = 1
    sbd: Path | None = None


def make_files(
    report: Report,
    what: str,
    jobs: Iterable[Job],
    make: Callable[[Path, Path], None],
    options: Options,
) -> set[Path]:
    """Makes the files that do not exist yet.

    Args:
        report: Where it is noted.
        what: What the files are called.
        jobs: What to make; a job without its source is passed over, for the
            check that follows finds the target missing.
        make: Called with source and target; what it raises is noted.
        options: Whether to, and with how many processes.

    Returns:
        Files that were not made; the report says why.
    """
    pending = [
        job for job in jobs if not job.target.exists() and job.source.is_file()
    ]
    if not pending:
        return set()
    if options.check_only:
        report.missing(
            f'{what} are not converted yet',
            (_inside(job.target, report.root) for job in pending),
            'run this command without --check-only',
        )
        return {job.target for job in pending}
    for folder in {job.target.parent for job in pending}:
        folder.mkdir(parents=True, exist_ok=True)
    results = run_in_processes(
        partial(_attempt, make), pending, what, options.workers
    )
    errors = {
        job.target: error
        for job, error in zip(pending, results, strict=True)
        if error
    }
    report.converted += len(pending) - len(errors)
    report.missing(
        f'{what} could not be converted',
        errors.values(),
        'get the named files anew',
    )
    return set(errors)


def write_mask(mask: np.ndarray, target: Path) -> None:
    """Writes a label map as PNG."""
    temporary = _temporary(target)
    Image.fromarray(mask).save(temporary, format='PNG')
    os.replace(temporary, target)


def write_lines(lines: Iterable[str], target: Path) -> None:
    """Writes a list, one entry a line."""
    temporary = _temporary(target)
    temporary.write_text(''.join(f'{line}\n' for line in lines))
    os.replace(temporary, target)


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a file a second place, at no cost where the disk allows it."""
    source = source.resolve()
    try:
        os.link(source, target)
    except OSError:
        temporary = _temporary(target)
        shutil.copyfile(source, temporary)
        os.replace(temporary, target)


def relabel(labels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replaces each label by the table's entry.

    Args:
        labels: Whole numbers of any type, from 0.
        table: New label of each old one; below 0 for those that must not
            occur.

    Raises:
        ValueError: A label is not in the table.

    Shape:
        - labels: :math:`(H, W)`
        - table: :math:`(labels,)`
        - output: :math:`(H, W)`
    """
    if labels.ndim != 2:
        raise ValueError(f'is no label map: its shape is {labels.shape}')
    found = np.unique(labels).astype(int).tolist()
    odd = [n for n in found if not 0 <= n < len(table) or table[n] < 0]
    if odd:
        raise ValueError(f'holds labels that the data set lacks: {odd[:5]}')
    return table.astype(np.uint8)[labels.astype(int)]


def _temporary(target: Path) -> Path:
    return target.with_name(f'{target.name}.part')


def _inside(path: Path, root: Path) -> str:
    return os.path.relpath(path, root)


def _attempt(make: Callable[[Path, Path], None], job: Job) -> str:
    """Runs a job; returns what went wrong, or nothing."""
    try:
        make(job.source, job.target)
    # One broken file of many thousands, whatever a library says about it.
    except Exception as error:
        _temporary(job.target).unlink(missing_ok=True)
        return f'{job.source.name} ({error})'
    return ''


def run_in_processes(
    function: Callable[[Item], Result],
    items: Collection[Item],
    what: str,
    workers: int,
) -> Iterator[Result]:
    """Call a function for each item, and print how far it is.

    Args:
        function: What to call; it must be importable, as must be its
            arguments.
        items: Its arguments.
        what: What the items are called.
        workers: Processes to use. Few items are worked on in this one.

    Yields:
        What the function returned, in the order of the items.
    """
    results = _run(function, items, workers)
    return _with_progress(results, what, len(items))


def _run(
    function: Callable[[Item], Result],
    items: Collection[Item],
    workers: int,
) -> Iterator[Result]:
    workers = min(workers, len(items) // CHUNK)
    if workers < 2:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from pool.map(function, items, chunksize=CHUNK)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _with_progress(
    results: Iterable[Result], what: str, total: int
) -> Iterator[Result]:
    """Passes results on and says how many there were, now and then."""
    terminal = sys.stderr.isatty()
    pause = 0.5 if terminal else 30
    last = time.monotonic()
    for done, result in enumerate(results, 1):
        yield result
        if done == total or time.monotonic() - last > pause:
            last = time.monotonic()
            end = '\r' if terminal and done < total else '\n'
            line = f'  {what}: {done:,} of {total:,}'
            print(line, end=end, file=sys.stderr, flush=True)
