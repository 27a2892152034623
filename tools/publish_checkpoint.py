"""Makes a checkpoint small enough to share: the weights only.

    python tools/publish_checkpoint.py work_dirs/run/epoch_8.pth out.pth --half

Drops what only training needs (optimizer, schedules, message hub). Of a
distillation the student is published. With --half, tensors that half precision
would spoil keep their own precision and are named.
"""

import argparse
from pathlib import Path

import cankd_mm  # noqa: F401  (safe loading, before anything is loaded)
from cankd_mm.checkpoint.publishing import publish_checkpoint


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='what training saved')
    parser.add_argument('out', type=Path, help='the file to write')
    parser.add_argument(
        '--half',
        action='store_true',
        help='store floating-point weights in half precision',
    )
    parser.add_argument(
        '--force', action='store_true', help='overwrite an existing file'
    )
    return parser.parse_args()


def main() -> None:
    """Writes the small checkpoint."""
    args = parse_args()
    if args.out.exists() and not args.force:
        raise SystemExit(
            f'{args.out} exists. Name another file, or overwrite it with '
            '--force'
        )
    print(publish_checkpoint(args.checkpoint, args.out, args.half))


if __name__ == '__main__':
    main()
