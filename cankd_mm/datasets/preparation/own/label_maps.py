"""Makes the label maps that mmseg reads, where the given ones are others."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from cankd_mm.datasets.preparation.conversion import (
    link_or_copy,
    run_in_processes,
    write_mask,
)
from cankd_mm.datasets.preparation.own.label_values import (
    IGNORED,
    read_values,
)
from cankd_mm.datasets.preparation.own.output import OtherFiles
from cankd_mm.datasets.preparation.report import Report, some


@dataclass(frozen=True)
class _Job:
    source: Path
    target: Path
    keep: bool


@dataclass
class LabelMaps(OtherFiles):
    """Label maps to be made.

    Attributes:
        root: The data root.
        table: Class of each value of the given label maps.
        is_color: Whether the values are colors.
        workers: Processes to use.
        jobs: What is made of what.
    """

    root: Path
    table: dict[int, int]
    is_color: bool
    workers: int
    jobs: list[_Job] = field(default_factory=list)
    _states: dict[Path, str] | None = None

    def add(self, source: Path, target: Path, keep: bool) -> None:
        """Add one.

        Args:
            source: The given label map.
            target: The one to be made.
            keep: Whether it holds what it has to, and needs another place
                only.
        """
        self.jobs.append(_Job(source, target, keep))

    def differing(self) -> list[str]:
        """Return those that are there and would become different."""
        return self._in_state('differs')

    def missing(self) -> list[str]:
        """Return those that are not there yet."""
        return self._in_state('missing')

    def make(self, report: Report) -> bool:
        """Make those that differ or are missing.

        Args:
            report: Where it is noted what could not be made.

        Returns:
            Whether all are there.
        """
        states = self._look()
        pending = [j for j in self.jobs if states[j.target] != 'same']
        for folder in {job.target.parent for job in pending}:
            folder.mkdir(parents=True, exist_ok=True)
        results = run_in_processes(
            partial(_make, self.table, self.is_color),
            pending,
            'label maps written',
            self.workers,
        )
        errors = [error for error in results if error]
        report.converted += len(pending) - len(errors)
        if errors:
            report.problem(
                f'{len(errors):,} label maps could not be written: '
                f'{some(errors)}',
                'make room or write elsewhere with --out FOLDER, and run '
                'this command again',
            )
        self._states = None
        return not errors

    def _in_state(self, state: str) -> list[str]:
        states = self._look()
        return [
            os.path.relpath(job.target, self.root)
            for job in self.jobs
            if states[job.target] == state
        ]

    def _look(self) -> dict[Path, str]:
        if self._states is None:
            there = [job for job in self.jobs if job.target.exists()]
            found = run_in_processes(
                partial(_compare, self.table, self.is_color),
                there,
                'label maps compared',
                self.workers,
            )
            self._states = {job.target: 'missing' for job in self.jobs}
            self._states |= {
                job.target: state
                for job, state in zip(there, found, strict=True)
            }
        return self._states


def convert(values: np.ndarray, table: dict[int, int]) -> np.ndarray:
    """Replace the values of a label map by the numbers of the classes.

    Args:
        values: The label map.
        table: Class of each value. Values that it lacks are ignored: there
            are too many of them to be listed.

    Returns:
        The label map that mmseg reads.

    Shape:
        - values: :math:`(H, W)`
        - output: :math:`(H, W)`
    """
    found, places = np.unique(values, return_inverse=True)
    labels = [table.get(value, IGNORED) for value in found.tolist()]
    return np.array(labels, np.uint8)[places].reshape(values.shape)


def _compare(table: dict[int, int], is_color: bool, job: _Job) -> str:
    if job.keep and os.path.samefile(job.source, job.target):
        return 'same'
    try:
        there = read_values(job.target)
    except (OSError, ValueError):
        return 'differs'
    expected = convert(read_values(job.source, is_color), table)
    return 'same' if np.array_equal(there, expected) else 'differs'


def _make(table: dict[int, int], is_color: bool, job: _Job) -> str:
    """Make a label map; return what went wrong, or nothing."""
    try:
        if job.keep:
            job.target.unlink(missing_ok=True)
            link_or_copy(job.source, job.target)
        else:
            write_mask(
                convert(read_values(job.source, is_color), table), job.target
            )
    except (OSError, ValueError) as error:
        return f'{job.target.name} ({error})'
    return ''


def in_place(
    names: Sequence[str], masks: Sequence[str]
) -> tuple[str, str] | None:
    """Find a folder and a suffix that make label maps of names.

    Args:
        names: Names of the images, without folder and suffix.
        masks: Their label maps.

    Returns:
        Folder and suffix; None where not all are made that way.
    """
    pairs = list(zip(names, masks, strict=True))
    name, mask = pairs[0]
    for found in re.finditer(f'/{re.escape(name)}', f'/{mask}'):
        # The match begins one character before the name.
        prefix, suffix = mask[: found.start()], mask[found.end() - 1 :]
        if all(prefix + name + suffix == mask for name, mask in pairs):
            return prefix.rstrip('/'), suffix
    return None
