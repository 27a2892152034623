"""How long a training of the digits takes to its first iteration.

    python -m tests.bm_start             # this checkout
    python -m tests.bm_start ../other    # beside another one

Starts ``tools/train.py`` on one iteration without a validation, in turns, and
prints the medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.commands import ROOT
from tests.digits_run import DISTILLATION

_OPTIONS = (
    'train_dataloader.dataset.indices=4',
    'train_dataloader.batch_size=4',
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=2',
)


def seconds(checkout: Path) -> float:
    """Runs one training and returns how long the whole process took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, 'tools/train.py', DISTILLATION),
                *('--work-dir', folder, '--cfg-options', *_OPTIONS),
            ],
            cwd=checkout,
            env={**os.environ, 'PYTHONPATH': str(checkout)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - start


def main() -> None:
    """Prints a line for each checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('other', nargs='?', type=Path)
    parser.add_argument('--repeats', type=int, default=7)
    args = parser.parse_args()
    checkouts = [ROOT, *([args.other.resolve()] if args.other else [])]
    taken = {checkout: [] for checkout in checkouts}
    for checkout in checkouts * (args.repeats + 1):
        taken[checkout].append(seconds(checkout))
    for checkout, values in taken.items():
        # The first start fills the disk's cache.
        print(f'{checkout}: {statistics.median(values[1:]):.2f} s')


if __name__ == '__main__':
    main()
