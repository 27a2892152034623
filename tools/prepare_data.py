"""Checks a data set on disk, and converts what the configs need converted.

    python tools/prepare_data.py coco data/coco
    python tools/prepare_data.py voc data/VOCdevkit
    python tools/prepare_data.py voc_aug data/VOCdevkit/VOC2012
    python tools/prepare_data.py cocostuff10k data/coco_stuff10k
    python tools/prepare_data.py cocostuff164k data/coco_stuff164k
    python tools/prepare_data.py cityscapes data/cityscapes

PATH is what the configs call data_root. `voc` also takes a folder of your own
with Annotations, JPEGImages and ImageSets/Main, and lists its classes.

Nothing is overwritten or deleted, and a run that was broken off is resumed.
Exit code 0: the configs can use the data; 1: something is missing, and the
report says what to do; 2: the command is wrong.
"""

import argparse
import os
import sys
from pathlib import Path

from cankd_mm.datasets.preparation import DATA_SETS, Options, prepare


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('data_set', choices=DATA_SETS)
    parser.add_argument('path', type=Path, metavar='PATH')
    parser.add_argument(
        '--check-only', action='store_true', help='look, and write nothing'
    )
    parser.add_argument(
        '--json', action='store_true', help='print the report as JSON'
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='processes that convert (one per core)',
    )
    parser.add_argument(
        '--sbd',
        type=Path,
        metavar='FOLDER',
        help='voc_aug: where the Semantic Boundaries Dataset was extracted, '
        'if not beside VOC2012',
    )
    args = parser.parse_args()
    if args.path.exists() and not args.path.is_dir():
        parser.error(f'{args.path} is a file; extract it and give the folder')
    if args.workers < 1:
        parser.error(f'--workers is {args.workers}, at least 1 is needed')
    if args.sbd and args.data_set != 'voc_aug':
        parser.error(f'--sbd is for voc_aug, not for {args.data_set}')
    return args


def main() -> None:
    """Prints the report."""
    args = parse_args()
    options = Options(args.check_only, args.workers, args.sbd)
    try:
        report = prepare(args.data_set, args.path, options)
    except KeyboardInterrupt:
        sys.exit('Broken off. The same command goes on from here.')
    print(report.as_json() if args.json else report.as_text())
    sys.exit(not report.ready)


if __name__ == '__main__':
    main()
