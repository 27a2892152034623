"""Every loss at the sizes of its paper, beside its formula and others.

The formula as printed runs on the same parameters and features. MMRazor's
CWD, PKD and MGD and the plain mean squared error run on the same features.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

import torch

from cankd_mm.benchmarks import measuring
from cankd_mm.benchmarks.forms import (
    OTHERS,
    OURS,
    Form,
    Shape,
    call_compiled,
)
from cankd_mm.benchmarks.hardware import available_memory, hardware, sentence
from cankd_mm.benchmarks.measuring import MIB, Settings
from cankd_mm.benchmarks.report import table, times, write

# Of the memory that is left, what a form may be expected to take.
_SHARE = 0.8
PRINTED = 'as printed'
COMPILED = 'compiled'


@dataclass(frozen=True)
class Case:
    """A loss at a size.

    Attributes:
        loss: A key of :data:`OURS`.
        place: What has this size.
        student: The student's feature.
        teacher: The teacher's, None for the student's shape.
    """

    loss: str
    place: str
    student: Shape
    teacher: Shape | None = None

    @property
    def shapes(self) -> tuple[Shape, Shape]:
        """The student's and the teacher's."""
        return self.student, self.teacher or self.student

    @property
    def forms(self) -> dict[str, Form]:
        """What is compared, ours first."""
        ours, printed = OURS[self.loss]
        compiled = Form(ours.build, call_compiled)
        return {
            self.loss: ours,
            PRINTED: printed,
            **OTHERS,
            COMPILED: compiled,
        }


# An image of 800x1333 is padded to multiples of 32.
_PYRAMID = {
    'P2': (200, 336),
    'P3': (100, 168),
    'P4': (50, 84),
    'P5': (25, 42),
    'P6': (13, 21),
}
SIZES = {
    'paper': (
        *(
            Case('CanKD', level, (batch, 256, *grid))
            for batch in (1, 2)
            for level, grid in _PYRAMID.items()
        ),
        Case('CanKD', 'segmentor', (1, 2048, 64, 128)),
        *(
            Case(loss, 'decoder', (1, 256, side, side))
            for side in (128, 129)
            for loss in ('TaT', 'TaT one-to-all')
        ),
        *(
            Case('LAKD', f'stage {i}', (2, channels, *_PYRAMID[f'P{i + 1}']))
            for i, channels in ((2, 512), (3, 1024), (4, 2048))
        ),
        Case('CSKD', '196 tokens', (64, 1000, 14, 14), (64, 1000, 7, 7)),
    ),
    'small': (
        Case('CanKD', 'level', (2, 16, 24, 20)),
        Case('TaT', 'decoder', (1, 16, 17, 17)),
        Case('TaT one-to-all', 'decoder', (1, 16, 17, 17)),
        Case('LAKD', 'stage', (2, 16, 12, 14)),
        Case('CSKD', 'tokens', (4, 20, 14, 14), (4, 20, 7, 7)),
    ),
}

_COLUMNS = (
    ('loss', 'loss', 's'),
    ('place', 'at', 's'),
    ('size', 'size', 's'),
    ('form', 'form', 's'),
    ('gflop', 'GFLOP', '.2f'),
    ('forward_ms', 'forward ms', '.2f'),
    ('backward_ms', 'backward ms', '.2f'),
    ('both_ms', 'both ms', '.2f'),
    ('time_ratio', 'time', times),
    ('peak', 'peak MiB', 's'),
    ('memory_ratio', 'memory', times),
    ('rounds', 'rounds', 'd'),
)

_FIGURES = (
    ('Milliseconds, forward and backward', 'both_ms', 'time_ratio'),
    ('Peak memory, MiB', 'peak_mib', 'memory_ratio'),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``benchmark.py losses`` is asked."""
    parser.add_argument(
        '--sizes', choices=SIZES, default='paper', help='(paper)'
    )
    parser.add_argument(
        '--only',
        nargs='+',
        choices=OURS,
        metavar='LOSS',
        help=f'of {", ".join(OURS)}',
    )
    parser.add_argument(
        '--alone',
        action='store_true',
        help='the losses of this package, beside nothing',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='the same under torch.compile too (its first call takes long)',
    )
    parser.add_argument(
        '--count-only',
        action='store_true',
        help='count operations and compute peaks from shapes; run nothing',
    )
    add_settings(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """How losses are measured."""
    default = Settings()
    parser.add_argument('--device', default=default.device, help='(cpu)')
    parser.add_argument(
        '--dtype',
        default=default.dtype,
        choices=['float32', 'bfloat16', 'float16', 'float64'],
        help='of the features; half precision runs under autocast (float32)',
    )
    parser.add_argument(
        '--repeats', type=int, default=default.repeats, help='rounds (5)'
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=default.seconds,
        help='no further round of a size begins after this time (60)',
    )
    add_clock(parser)


def add_clock(parser: argparse.ArgumentParser) -> None:
    """Which time is taken."""
    parser.add_argument(
        '--clock',
        choices=measuring.CLOCKS,
        default='wall',
        help='cpu, with --threads 1, for a machine that others use too (wall)',
    )


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings of a command line."""
    return Settings(
        device=args.device,
        dtype=args.dtype,
        threads=torch.get_num_threads(),
        repeats=args.repeats,
        seconds=args.seconds,
        clock=args.clock,
    )


def run(args: argparse.Namespace) -> None:
    """Measures, prints and writes."""
    settings = settings_of(args)
    found = hardware(args.device)
    print(
        f'{sentence(found)}\n{args.dtype}, {args.clock} time. Forward and '
        'backward, medians of rounds in turns; ratios are the\nform over the '
        'loss of this package. Peaks are above weights and features.\n'
    )
    rows = []
    for case in SIZES[args.sizes]:
        if args.only is None or case.loss in args.only:
            names = [case.loss]
            if not args.alone:
                names += [PRINTED, *OTHERS]
            if args.compile and not args.count_only:
                names.append(COMPILED)
            rows += compare(case, settings, names, args.count_only)
            print(f'{case.loss}, {case.place}: done', flush=True)
    print(f'\n{table(map(_with_peak, rows), _COLUMNS)}')
    if not args.count_only:
        for title, figure, ratio in _FIGURES:
            print(f'\n{title}; in brackets, times ours\n')
            print(_side_by_side(rows, figure, ratio))
    write(args.json, 'losses', found, asdict(settings), rows)


def compare(
    case: Case,
    settings: Settings,
    names: Sequence[str],
    count_only: bool = False,
) -> list[dict]:
    """A row for each of a case's forms that is named, ours among them."""
    forms = {name: case.forms[name] for name in names}
    memory = {
        name: peak(form, *case.shapes, settings, count_only)
        for name, form in forms.items()
        # What compiling takes is not what a step holds.
        if name != COMPILED
    }
    runs = {
        name: measuring.trial(form, *case.shapes, settings)
        for name, form in forms.items()
        if name == COMPILED or memory[name][1] == 'measured'
    }
    seconds = measuring.in_turns(
        {
            name: lambda run=run: measuring.timed(run, settings)
            for name, run in runs.items()
        },
        settings.repeats,
        settings.seconds,
    )
    return [
        dict(
            loss=case.loss,
            place=case.place,
            size='x'.join(map(str, case.student)),
            form=name,
            gflop=sum(measuring.gflop(form, *case.shapes)),
            **_times(seconds.get(name), seconds.get(case.loss)),
            **_peaks(memory.get(name), memory[case.loss]),
        )
        for name, form in forms.items()
    ]


def peak(
    form: Form,
    student: Shape,
    teacher: Shape,
    settings: Settings,
    count_only: bool = False,
) -> tuple[float, str]:
    """Bytes, and 'measured' or 'computed' where there is no room for it."""
    computed = measuring.computed_peak(form, student, teacher, settings)
    room = _SHARE * available_memory(settings.device)
    if count_only or computed > room:
        return computed, 'computed'
    return (
        measuring.measured_peak(form, student, teacher, settings),
        'measured',
    )


def _times(
    pairs: list[tuple[float, float]] | None,
    ours: list[tuple[float, float]] | None,
) -> dict:
    """The columns of time, empty for what was not run."""
    if not pairs:
        names = ('forward_ms', 'backward_ms', 'both_ms', 'time_ratio')
        return dict.fromkeys((*names, 'rounds'))
    forward, backward = (
        1000 * median(part) for part in zip(*pairs, strict=True)
    )
    sums, reference = ([sum(pair) for pair in x] for x in (pairs, ours))
    return dict(
        forward_ms=forward,
        backward_ms=backward,
        both_ms=1000 * median(sums),
        time_ratio=measuring.median_ratio(reference, sums),
        rounds=len(sums),
    )


def _peaks(peak: tuple[float, str] | None, ours: tuple[float, str]) -> dict:
    """The columns of memory, empty for what has no peak."""
    if peak is None:
        return dict.fromkeys(('peak_mib', 'peak_is', 'memory_ratio'))
    return dict(
        peak_mib=peak[0] / MIB,
        peak_is=peak[1],
        # None where ours is below what can be told apart.
        memory_ratio=peak[0] / ours[0] if ours[0] else None,
    )


def _side_by_side(rows: Sequence[dict], figure: str, ratio: str) -> str:
    """A table with a row for each size and a column for each form."""
    sizes: dict[tuple, dict] = {}
    for row in rows:
        is_ours = row['form'] == row['loss']
        size = sizes.setdefault(
            (row['loss'], row['place'], row['size']),
            {'loss': row['loss'], 'at': row['place'], 'size': row['size']},
        )
        notes = [] if is_ours or row[ratio] is None else [times(row[ratio])]
        if figure == 'peak_mib' and row['peak_is'] == 'computed':
            notes.append('computed')
        text = _brief(row[figure])
        size['ours' if is_ours else row['form']] = (
            f'**{text}**' if is_ours else text
        ) + (f' ({", ".join(notes)})' if notes else '')
    forms = list(
        dict.fromkeys(form for size in sizes.values() for form in size)
    )
    return table(sizes.values(), [(form, form, 's') for form in forms])


def _brief(figure: float | None) -> str:
    """Three digits, or all in front of the point."""
    if figure is None:
        return '-'
    return f'{figure:.0f}' if figure >= 100 else f'{figure:.3g}'


def _with_peak(row: dict) -> dict:
    """A row whose peak says if it was computed."""
    if row['peak_mib'] is None:
        return {**row, 'peak': '-'}
    note = ' (computed)' if row['peak_is'] == 'computed' else ''
    return {**row, 'peak': f'{row["peak_mib"]:.1f}{note}'}
