"""Prepares a folder of your own, or checks a public data set.

Photos with labels of your own; nothing of yours is changed:

    python tools/prepare_data.py detection PATH      boxes: VOC, YOLO, COCO
    python tools/prepare_data.py segmentation PATH   masks: label maps

It decodes every image, reports what is left out and how to mend it, keeps the
split or makes one, writes what training reads to PATH/prepared/, and prints
the lines for a config.

Public data sets, where PATH is what the configs call data_root; what needs
converting is converted:

    python tools/prepare_data.py coco data/coco
    python tools/prepare_data.py voc data/VOCdevkit
    python tools/prepare_data.py voc_aug data/VOCdevkit/VOC2012
    python tools/prepare_data.py cocostuff10k data/coco_stuff10k
    python tools/prepare_data.py cocostuff164k data/coco_stuff164k
    python tools/prepare_data.py cityscapes data/cityscapes

Nothing is overwritten or deleted, and a run that was broken off is resumed.
Exit code 0: the configs can use the data; 1: something is missing, and the
report says what to do; 2: the command is wrong.
"""

import argparse
import math
import os
import sys
from pathlib import Path

from cankd_mm.datasets.preparation import (
    DATA_SETS,
    OWN_DATA,
    Options,
    OwnOptions,
    Report,
    prepare,
    prepare_own,
)

# Options and the sub-commands that they are for.
OPTIONS_OF = {
    **dict.fromkeys(
        ('out', 'overwrite', 'val_fraction', 'seed'), tuple(OWN_DATA)
    ),
    **dict.fromkeys(('format', 'background'), ('detection',)),
    **dict.fromkeys(
        ('images', 'masks', 'ignore', 'classes', 'colors'), ('segmentation',)
    ),
    'sbd': ('voc_aug',),
}


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # An option that was not given is not set: its default is that of
        # the options class, and it is not refused.
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument('data_set', choices=[*OWN_DATA, *DATA_SETS])
    parser.add_argument('path', type=Path, metavar='PATH')
    parser.add_argument(
        '--check-only',
        action='store_true',
        default=False,
        help='look, and write nothing',
    )
    parser.add_argument(
        '--json',
        action='store_true',
        default=False,
        help='print the report as JSON',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='processes that decode and convert (one per core)',
    )
    add_own_options(parser)
    parser.add_argument(
        '--sbd',
        type=Path,
        metavar='FOLDER',
        help='voc_aug: where the Semantic Boundaries Dataset was extracted, '
        'if not beside VOC2012',
    )
    args = parser.parse_args()
    check_args(parser, args)
    return args


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for data of one's own."""
    own = parser.add_argument_group('detection and segmentation')
    own.add_argument(
        '--out',
        type=Path,
        metavar='FOLDER',
        help='write to FOLDER/prepared/ instead of PATH/prepared/; data_root '
        'is FOLDER then',
    )
    own.add_argument(
        '--overwrite',
        action='store_true',
        help='replace what this command wrote earlier',
    )
    own.add_argument(
        '--val-fraction',
        type=float,
        metavar='F',
        help='share of the images that a new split gives to val (0.2)',
    )
    own.add_argument(
        '--seed', type=int, help='another seed makes another split (0)'
    )
    own = parser.add_argument_group('detection')
    own.add_argument(
        '--format',
        choices=('voc', 'yolo', 'coco'),
        help='read labels of this format only (the one that most images have)',
    )
    own.add_argument(
        '--background',
        action='store_true',
        help='take images without a label for images without objects',
    )
    own = parser.add_argument_group('segmentation')
    own.add_argument(
        '--images',
        type=Path,
        metavar='FOLDER',
        help='folder of the images, below PATH (found by its name)',
    )
    own.add_argument(
        '--masks',
        type=Path,
        metavar='FOLDER',
        help='folder of the label maps, below PATH (found by its name)',
    )
    own.add_argument(
        '--ignore',
        type=int,
        metavar='VALUE',
        help='value of pixels without a class; -1 for none (255)',
    )
    own.add_argument(
        '--classes',
        type=lambda text: tuple(name.strip() for name in text.split(',')),
        metavar='A,B,C',
        help='names of the classes, in the order of the values',
    )
    own.add_argument(
        '--colors',
        type=Path,
        metavar='FILE',
        help='lines of NAME: RED,GREEN,BLUE, or json, for label maps in color',
    )


def check_args(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """End with a message where the command is wrong."""
    if args.path.exists() and not args.path.is_dir():
        parser.error(f'{args.path} is a file; extract it and give the folder')
    if args.workers < 1:
        parser.error(f'--workers is {args.workers}, at least 1 is needed')
    for name, tasks in OPTIONS_OF.items():
        if name in args and args.data_set not in tasks:
            option = '--' + name.replace('_', '-')
            parser.error(
                f'{option} is for {" and ".join(tasks)}, not for '
                f'{args.data_set}'
            )
    fraction = vars(args).get('val_fraction', 0.5)
    if not 0 < fraction < 1 or math.isnan(fraction):
        parser.error(
            f'--val-fraction is {fraction}, expected a number between 0 and 1'
        )
    classes = vars(args).get('classes', ('one',))
    if not all(classes) or len(set(classes)) < len(classes):
        parser.error(
            f'--classes is {",".join(classes)}, expected different names with '
            'commas between them'
        )


def run(args: argparse.Namespace) -> Report:
    """Prepare or check what the command names."""
    common = dict(check_only=args.check_only, workers=args.workers)
    given = {name: vars(args)[name] for name in OPTIONS_OF if name in args}
    if args.data_set in OWN_DATA:
        options = OwnOptions(**common, **given)
        return prepare_own(args.data_set, args.path, options)
    return prepare(args.data_set, args.path, Options(**common, **given))


def main() -> None:
    """Print the report."""
    args = parse_args()
    # Names that the terminal cannot show are no reason to stop.
    sys.stdout.reconfigure(errors='backslashreplace')
    try:
        report = run(args)
    except KeyboardInterrupt:
        sys.exit('Broken off. The same command goes on from here.')
    print(report.as_json() if args.json else report.as_text())
    sys.exit(not report.ready)


if __name__ == '__main__':
    main()
