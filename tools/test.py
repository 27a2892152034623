"""Evaluates the student, or a plain model.

    python tools/test.py configs/digits/cankd_retinanet.py \
        work_dirs/cankd_retinanet/epoch_3.pth

Config and checkpoint may each be a distillation's or a plain student's, in
any combination; what was found is printed.
"""

import argparse

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.engine.testing import TestingOptions, test
from cankd_mm.utils.command_line import add_shared_arguments, read_config
from cankd_mm.utils.process_group import leave_process_group


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shared_arguments(parser)
    parser.add_argument('checkpoint', help='a checkpoint file or URL')
    parser.add_argument('--out', help='write the predictions to this .pkl')
    parser.add_argument(
        '--show-dir', help='paint the predictions into images here'
    )
    return parser.parse_args()


def main() -> None:
    """Evaluates."""
    args = parse_args()
    options = TestingOptions(
        checkpoint=args.checkpoint, out=args.out, show_dir=args.show_dir
    )
    test(read_config(args), options)
    leave_process_group()


if __name__ == '__main__':
    main()
