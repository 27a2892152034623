"""Makes a checkpoint small enough to share: the weights alone.

    python tools/publish_checkpoint.py work_dirs/run/epoch_8.pth out.pth --half

Drops what only training needs (optimizer, schedules, message hub).
"""

import argparse
from pathlib import Path

import torch

import cankd_mm  # noqa: F401  (safe loading, before anything is loaded)
from cankd_mm.utils.checkpoint import read_checkpoint, weights_of


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
    content = read_checkpoint(args.checkpoint, 'checkpoint')
    weights = weights_of(content, args.checkpoint, 'checkpoint')
    if args.half:
        weights = {
            name: value.half() if value.is_floating_point() else value
            for name, value in weights.items()
        }
    meta = dict(dataset_meta=content.get('meta', {}).get('dataset_meta'))
    torch.save(dict(meta=meta, state_dict=weights), args.out)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
