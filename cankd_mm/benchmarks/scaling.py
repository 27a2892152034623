"""How time and memory of a loss grow with the number of positions."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict
from statistics import linear_regression, median

from cankd_mm.benchmarks import measuring
from cankd_mm.benchmarks.forms import OTHERS, OURS, Form
from cankd_mm.benchmarks.hardware import hardware, sentence
from cankd_mm.benchmarks.losses import (
    PRINTED,
    add_settings,
    peak,
    settings_of,
)
from cankd_mm.benchmarks.measuring import MIB, Settings
from cankd_mm.benchmarks.report import table, write

# Channels and grids, each of twice the positions of the one before.
SIZES = {
    'paper': (256, [(32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]),
    'small': (8, [(8, 8), (8, 16), (16, 16)]),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``benchmark.py scaling`` is asked."""
    parser.add_argument(
        '--sizes', choices=SIZES, default='paper', help='(paper)'
    )
    parser.add_argument(
        '--only',
        nargs='+',
        choices=forms(),
        metavar='FORM',
        help=f'of {", ".join(forms())}',
    )
    add_settings(parser)


def forms() -> dict[str, Form]:
    """Every loss, every formula, and the others."""
    found = {}
    for loss, (ours, printed) in OURS.items():
        found |= {loss: ours, f'{loss} {PRINTED}': printed}
    return found | OTHERS


def run(args: argparse.Namespace) -> None:
    """Measures, prints and writes."""
    settings = settings_of(args)
    found = hardware(args.device)
    channels, grids = SIZES[args.sizes]
    print(
        f'{sentence(found)}\n{args.dtype}, {args.clock} time. One image of '
        f'{channels} channels, forward and backward, medians of rounds in '
        'turns.\nAn exponent is the slope of log cost over log positions.\n'
    )
    chosen = {
        name: form
        for name, form in forms().items()
        if args.only is None or name in args.only
    }
    rows = measure(chosen, channels, grids, settings)
    sizes = [height * width for height, width in grids]
    print(table([_flat(row) for row in rows], _columns(sizes)))
    write(args.json, 'scaling', found, asdict(settings), rows)


def measure(
    chosen: dict[str, Form],
    channels: int,
    grids: Sequence[tuple[int, int]],
    settings: Settings,
) -> list[dict]:
    """A row for each form, with its cost at every size."""
    rows = [
        dict(
            form=name,
            channels=channels,
            positions=[height * width for height, width in grids],
            ms=[],
            peak_mib=[],
        )
        for name in chosen
    ]
    for grid in grids:
        shapes = [(1, channels, *grid)] * 2
        for row in rows:
            held, kind = peak(chosen[row['form']], *shapes, settings)
            if kind == 'computed':
                raise MemoryError(
                    f'{row["form"]} wants {held / MIB:.0f} MiB at {grid}: '
                    'leave it out with --only'
                )
            row['peak_mib'].append(held / MIB)
        runs = {
            name: measuring.trial(form, *shapes, settings)
            for name, form in chosen.items()
        }
        seconds = measuring.in_turns(
            {
                name: lambda run=run: measuring.timed(run, settings)
                for name, run in runs.items()
            },
            settings.repeats,
            settings.seconds,
        )
        for row in rows:
            sums = [sum(pair) for pair in seconds[row['form']]]
            row['ms'].append(1000 * median(sums))
    for row in rows:
        row['time_exponent'] = exponent(row['positions'], row['ms'])
        row['memory_exponent'] = exponent(row['positions'], row['peak_mib'])
    return rows


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float | None:
    """The p of ``cost = c * size ** p``, by least squares of the logarithms.

    Args:
        sizes: At least two different ones.
        costs: One for each size.

    Returns:
        The exponent, or None where a cost is not positive.
    """
    if min(costs) <= 0:
        return None
    return linear_regression(
        [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    ).slope


def _columns(sizes: Sequence[int]) -> list[tuple]:
    return [
        ('form', 'form', 's'),
        *((f'ms_{size}', f'ms at {size}', '.2f') for size in sizes),
        ('time_exponent', 'time exponent', '.2f'),
        *((f'mib_{size}', f'MiB at {size}', '.1f') for size in sizes),
        ('memory_exponent', 'memory exponent', '.2f'),
    ]


def _flat(row: dict) -> dict:
    """A row with a column for each size."""
    columns = dict(row)
    for size, ms, mib in zip(
        row['positions'], row['ms'], row['peak_mib'], strict=True
    ):
        columns |= {f'ms_{size}': ms, f'mib_{size}': mib}
    return columns
