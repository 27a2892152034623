"""Finds in configs what spoils a training run silently.

    python tools/check_config.py configs/cankd/*.py
    python tools/check_config.py my_pair.py --teacher-ckpt my_teacher.pth

Takes configs of this package, MMRazor's distillation configs and plain ones
of MMDetection and MMSegmentation: files, or ``package::path``. Nothing is
downloaded. Training makes the same checks before it starts, and tries the
pair with its weights.

What could not be checked is listed as "not checked", with the reason. Ends
with exit code 1 where there are errors or warnings, with 2 where a config
cannot be read or there is no such file of teacher weights.
"""

import argparse
import sys

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.config_checks.report import check_files
from cankd_mm.utils.checkpoint import find_checkpoint
from cankd_mm.utils.config_options import ConfigOptions


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'configs',
        nargs='+',
        metavar='CONFIG',
        help='a config file, or package::path for one of a package',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='overrides of every config',
    )
    parser.add_argument('--teacher-ckpt', help="the teacher's weights")
    parser.add_argument(
        '--gpus',
        type=int,
        metavar='N',
        help='compare the learning rate to the batch size on N GPUs',
    )
    parser.add_argument(
        '--verbose', action='store_true', help='also print what is no fault'
    )
    args = parser.parse_args(arguments)
    if args.gpus is not None and args.gpus < 1:
        parser.error(f'--gpus {args.gpus}: expected at least 1')
    if args.teacher_ckpt:
        try:
            args.teacher_ckpt = find_checkpoint(
                args.teacher_ckpt, '--teacher-ckpt'
            )
        except (FileNotFoundError, ValueError) as error:
            parser.error(str(error))
    return args


def main(arguments: list[str] | None = None) -> int:
    """Prints the findings and returns the exit code."""
    args = parse_args(arguments)
    return check_files(
        args.configs,
        cfg_options=args.cfg_options,
        teacher_ckpt=args.teacher_ckpt,
        gpus=args.gpus,
        verbose=args.verbose,
    )


if __name__ == '__main__':
    sys.exit(main())
