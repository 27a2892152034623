"""Results of ``losses`` before and after a change, row by row.

    python tools/benchmark.py losses --alone --json after.json

in both working trees, more than once and in turns, then

    python tools/benchmark.py compare --before a.json b.json --after c.json

A row has the least of a side's files: other work on the machine adds to a
measurement and never takes from it.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from cankd_mm.benchmarks.report import table, times, write

_SIDES = ('before', 'after')
_COLUMNS = (
    ('loss', 'loss', 's'),
    ('place', 'at', 's'),
    ('size', 'size', 's'),
    ('before_ms', 'ms before', '.1f'),
    ('after_ms', 'after', '.1f'),
    ('time_ratio', 'time', times),
    ('before_mib', 'MiB before', '.1f'),
    ('after_mib', 'after', '.1f'),
    ('memory_ratio', 'memory', times),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``benchmark.py compare`` is asked."""
    for side in _SIDES:
        parser.add_argument(
            f'--{side}',
            nargs='+',
            type=Path,
            required=True,
            metavar='FILE',
            help='written by losses --json',
        )


def run(args: argparse.Namespace) -> None:
    """Prints and writes."""
    rows = compare(args.before, args.after)
    print(
        'Least of the runs; ratios are after over before.\n\n'
        + table(rows, _COLUMNS)
    )
    files = {side: list(map(str, getattr(args, side))) for side in _SIDES}
    write(args.json, 'compare', {}, files, rows)


def compare(before: Iterable[Path], after: Iterable[Path]) -> list[dict]:
    """A row for each size of each loss that both sides have.

    Raises:
        ValueError: The sides have no row in common.
    """
    left, right = _least(before), _least(after)
    rows = []
    for key in left:
        if key not in right:
            continue
        (ms, mib), (new_ms, new_mib) = left[key], right[key]
        rows.append(
            dict(
                zip(('loss', 'place', 'size'), key, strict=True),
                before_ms=ms,
                after_ms=new_ms,
                time_ratio=new_ms / ms,
                before_mib=mib,
                after_mib=new_mib,
                memory_ratio=new_mib / mib,
            )
        )
    if not rows:
        raise ValueError(
            '--before and --after have no size of a loss in common; both '
            'must come from `benchmark.py losses --json FILE`'
        )
    return rows


def _least(files: Iterable[Path]) -> dict[tuple, tuple[float, float]]:
    """Loss, place and size to its least milliseconds and MiB."""
    found: dict[tuple, list] = {}
    for file in files:
        for row in json.loads(file.read_text())['rows']:
            if row['form'] == row['loss'] and row['both_ms'] is not None:
                key = row['loss'], row['place'], row['size']
                found.setdefault(key, []).append(
                    (row['both_ms'], row['peak_mib'])
                )
    return {
        key: tuple(map(min, zip(*pairs, strict=True)))
        for key, pairs in found.items()
    }
