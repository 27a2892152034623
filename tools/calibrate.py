r"""Measure how strong distill losses are, and propose their weights.

    python tools/calibrate.py my_pair.py
    python tools/calibrate.py my_pair.py \
        --like configs/cankd/PUBLISHED.py \
        --like-cfg-options data_root=data/coco/

Trains the pair for some iterations, with its data and its optimizer, and
compares the gradients of distill losses and task loss at the student's
features. Nothing is kept, and the work dir is not touched. With --like the
published config is measured in the same way, and the loss_weight is printed
that gives this pair the same gradient ratio. Ends with exit code 2 where
something cannot be measured.
"""

import argparse
import json
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.pairing.calibration import (
    Calibration,
    CalibrationRequest,
    measure,
    require_ready,
)
from cankd_mm.pairing.calibration_report import report_dict, report_lines
from cankd_mm.pairing.weight_proposal import propose_weights
from cankd_mm.utils.config_options import ConfigOptions

_LIKE_OPTIONS = (
    'Of the --like config, --like-cfg-options data_root=FOLDER names the '
    "training data and --like-teacher-ckpt FILE the teacher's weights"
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config', help='a config file, or package::path for one of a package'
    )
    parser.add_argument(
        '--iters',
        type=int,
        default=30,
        metavar='N',
        help='how many iterations are trained and measured (30)',
    )
    parser.add_argument(
        '--like',
        metavar='PUBLISHED_CONFIG',
        help='propose weights with the gradient ratio of this config',
    )
    for prefix, which in (('', 'the config'), ('like-', 'the --like config')):
        parser.add_argument(
            f'--{prefix}cfg-options',
            nargs='+',
            action=ConfigOptions,
            metavar='KEY=VALUE',
            help=f'overrides of {which}',
        )
        parser.add_argument(
            f'--{prefix}teacher-ckpt', help=f"the teacher's weights of {which}"
        )
    parser.add_argument(
        '--json', metavar='FILE', help='write the figures to this file, too'
    )
    parser.add_argument(
        '--no-check',
        action='store_true',
        help='do not look for faults in config and training data first',
    )
    args = parser.parse_args()
    if args.iters < 1:
        parser.error(f'--iters {args.iters}: expected at least 1')
    if (args.like_cfg_options or args.like_teacher_ckpt) and not args.like:
        parser.error(
            '--like-cfg-options and --like-teacher-ckpt need --like '
            'PUBLISHED_CONFIG'
        )
    if args.json and not Path(args.json).absolute().parent.is_dir():
        parser.error(f'--json {args.json}: there is no such folder')
    return args


def main() -> int:
    """Measure, print and return the exit code."""
    args = parse_args()
    own_request = CalibrationRequest(
        args.config,
        args.iters,
        args.cfg_options,
        args.teacher_ckpt,
        not args.no_check,
    )
    like_request = args.like and CalibrationRequest(
        args.like,
        args.iters,
        args.like_cfg_options,
        args.like_teacher_ckpt,
        not args.no_check,
    )
    try:
        require_ready(own_request)
    except Exception as error:  # a config is code and may raise any
        return _failed(args.config, error)
    like = None
    if like_request:
        try:
            require_ready(like_request)
            like = _measure_apart(like_request)
        except Exception as error:
            return _failed(args.like, error, _LIKE_OPTIONS)
    try:
        own = measure(own_request)
    except Exception as error:
        return _failed(args.config, error)
    return _report(own, like, args.json)


def _measure_apart(request: CalibrationRequest) -> Calibration:
    """Measure in a new process, which shares no registries and no memory."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(measure, request).result()


def _report(
    own: Calibration, like: Calibration | None, file: str | None
) -> int:
    proposal, error = None, None
    if like:
        try:
            proposal = propose_weights(own, like)
        except ValueError as found:
            error = found
    print('\n'.join(report_lines(own, like, proposal)), flush=True)
    if file:
        report = report_dict(own, like, proposal)
        Path(file).write_text(json.dumps(report, indent=2) + '\n')
    if error:
        print(error, file=sys.stderr)
    return 2 if error else 0


def _failed(config: str, error: Exception, remedy: str = '') -> int:
    if not isinstance(error, ValueError | OSError | RuntimeError):
        traceback.print_exception(error)
    parts = [f'{config}: {error}', *filter(None, [remedy])]
    print('\n'.join(parts), file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
