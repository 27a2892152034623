"""Distils a small detector on the CPU, and shows what it gained.

    python tools/quickstart.py

Trains the same student twice, alone and with CanKD, and compares both with
their teacher: a table, ``report.png`` and ``results.json``. mAP and AP50 are
percentages.
"""

import argparse
import os
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/quickstart'),
        help='where everything is written (work_dirs/quickstart); the data '
        'goes beside it',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of both students (0)'
    )
    parser.add_argument(
        '--threads',
        type=int,
        default=1,
        help='CPU threads of torch (1: the models are small, and the figures '
        'depend a little on the number)',
    )
    parser.add_argument(
        '--device',
        choices=['auto', 'cpu'],
        default='auto',
        help='auto takes a GPU where there is one',
    )
    parser.add_argument(
        '--smoke',
        action='store_true',
        help='a few iterations, to see that everything works; the figures '
        'mean nothing',
    )
    return parser.parse_args()


def main() -> None:
    """Runs the quickstart."""
    args = parse_args()
    if args.device == 'cpu':
        # Torch looks once, when it is imported.
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    from cankd_mm.quickstart import Options, quickstart

    quickstart(
        Options(
            work_dir=args.work_dir,
            seed=args.seed,
            threads=args.threads,
            smoke=args.smoke,
        )
    )


if __name__ == '__main__':
    main()
