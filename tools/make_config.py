r"""Write the config in which one model distils into another.

    python tools/make_config.py STUDENT TEACHER --method cankd
    python tools/make_config.py mmdet::yolox/yolox_tiny_8xb8-300e_coco.py \
        mmdet::yolox/yolox_s_8xb8-300e_coco.py --method cankd -o my_pair.py
    python tools/make_config.py STUDENT TEACHER --method tat \
        --data-root photos --classes cat,dog --teacher-ckpt teacher.pth

STUDENT and TEACHER are plain configs of MMDetection or MMSegmentation: files,
or package::path. Both models run once to see their features; the method's own
place is compared (necks of detectors; the last stage, the decoder or the
stages of segmentors' backbones), or the one that --at names. The config is
checked, and trained for one step on random images with random weights; nothing
is downloaded. Where a method makes no sense for a pair nothing is written, and
the reason is printed (exit code 1).
"""

import argparse
import shlex
import sys
from pathlib import Path

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.config.own_data.class_names import checked_classes
from cankd_mm.pairing.errors import described
from cankd_mm.pairing.make import MadeConfig, default_name, write_pair
from cankd_mm.pairing.memory import describe, forecast_memory
from cankd_mm.pairing.methods import METHODS
from cankd_mm.pairing.one_step import train_one_step
from cankd_mm.pairing.pair import PairRequest
from cankd_mm.pairing.summary import summary_lines

# Sides of images, in pixels: a step is tried on smaller ones above this.
_LARGEST, _STEP = 640, 512


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('student', help="the student's config")
    parser.add_argument('teacher', help="the teacher's config")
    parser.add_argument('--method', required=True, choices=list(METHODS))
    parser.add_argument(
        '--teacher-ckpt',
        help="the teacher's weights: a file or an address (those that the "
        "metafile of the teacher's config lists)",
    )
    parser.add_argument(
        '--at',
        metavar='PLACE',
        help='where features are compared: neck, backbone, decoder, a module '
        'of both, or STUDENT_MODULE=TEACHER_MODULE '
        '(tools/list_features.py lists them)',
    )
    parser.add_argument(
        '--data-root', metavar='PATH', help='the folder of the training data'
    )
    parser.add_argument(
        '--classes',
        metavar='A,B,C',
        help='the names of their classes, or a file with one in each line',
    )
    parser.add_argument(
        '-o',
        '--out',
        type=Path,
        metavar='FILE',
        help='a new file (METHOD_TEACHER_STUDENT.py in this folder)',
    )
    parser.add_argument(
        '--no-step',
        action='store_true',
        help='do not try a training step on random images',
    )
    args = parser.parse_args()
    if args.classes is not None:
        names = tuple(name.strip() for name in args.classes.split(','))
        try:
            is_file = Path(args.classes).is_file()
            args.classes = checked_classes(args.classes if is_file else names)
        except ValueError as error:
            parser.error(f'--classes {args.classes!r}: {error}')
    if args.out is None:
        args.out = Path(default_name(args.student, args.teacher, args.method))
    elif args.out.suffix != '.py':
        parser.error(f'--out {args.out} must end with .py')
    return args


def main() -> None:
    """Write the config, and print what was chosen."""
    args = parse_args()
    request = PairRequest(
        student=args.student,
        teacher=args.teacher,
        method=args.method,
        teacher_ckpt=args.teacher_ckpt,
        at=args.at,
        data_root=args.data_root,
        classes=args.classes,
    )
    try:
        made = write_pair(request, args.out)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        sys.exit(f'make_config: {described(error)}')
    print('\n'.join(summary_lines(made, request)))
    try:
        images = (made.cfg.get('train_dataloader') or {}).get('batch_size', 1)
        forecast = describe(forecast_memory(made.cfg), images)
        print(f'{"memory":11} {forecast}')
    except ValueError as error:
        print(f'{"memory":11} not forecast: {error}')
    if not args.no_step:
        _try_step(made)
    print(f'{"next":11} python tools/train.py {shlex.quote(str(made.path))}')


def _try_step(made: MadeConfig) -> None:
    size = made.pair.models.student.size
    # Larger images take minutes, and show no more.
    large = max(size) > _LARGEST and made.pair.draft.works_at_any_size
    size = tuple(min(side, _STEP) for side in size) if large else None
    try:
        step = train_one_step(made.cfg, size)
    except Exception as error:  # of a model, in any way
        sys.exit(
            f'{"one step":11} failed: {type(error).__name__}: {error}\n'
            f'{made.path} is written, and will not train as it is'
        )
    distill = {k: v for k, v in step.losses.items() if k.startswith('distill')}
    print(
        f'{"one step":11} loss {step.losses["loss"]:.4g}, of which '
        f'{", ".join(f"{k} {v:.4g}" for k, v in distill.items())}, in '
        f'{step.seconds:.1f} s (two random images, random weights)'
    )


if __name__ == '__main__':
    main()
