"""Trains a model, with or without a teacher.

    python tools/train.py configs/digits/cankd_retinanet.py

Any config of MMDetection, MMSegmentation or MMRazor's distillation runs, too:
a file, or ``package::path`` for one that an installed package carries. With
--distill-from a plain config is distilled: the pair's config is made as
tools/make_config.py does, and is left in the work dir.

    python tools/train.py STUDENT --distill-from TEACHER --method cankd
"""

import argparse

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.engine.runner.resume import NEWEST
from cankd_mm.engine.runner.work_dir import hold_work_dir
from cankd_mm.engine.training import TrainingOptions, training_runner
from cankd_mm.pairing.methods import METHODS
from cankd_mm.pairing.on_the_fly import use_made_config
from cankd_mm.utils.command_line import add_shared_arguments, read_config
from cankd_mm.utils.process_group import leave_process_group


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shared_arguments(parser)
    parser.add_argument(
        '--amp', action='store_true', help='automatic mixed precision (GPU)'
    )
    parser.add_argument(
        '--amp-dtype',
        choices=['float16', 'bfloat16'],
        default='float16',
        help='number format of --amp (float16)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from the batch size the config was '
        'made for to the actual one',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const=NEWEST,
        metavar='PATH|auto',
        help='go on from PATH, or without one from the readable checkpoint '
        'of the work dir that was written last. An error if there is none; '
        'with auto a new training starts then',
    )
    parser.add_argument(
        '--force',
        action='store_true',
        help='train in this work dir even if another training holds it',
    )
    parser.add_argument(
        '--distill-from',
        metavar='TEACHER',
        help="the teacher's config, for a config without a teacher",
    )
    parser.add_argument(
        '--method',
        choices=list(METHODS),
        help='how --distill-from distills',
    )
    parser.add_argument(
        '--at',
        metavar='PLACE',
        help='where --distill-from compares features, as in '
        'tools/make_config.py',
    )
    parser.add_argument('--teacher-ckpt', help="the teacher's weights")
    parser.add_argument(
        '--student-ckpt', help='weights that the student starts from'
    )
    parser.add_argument('--seed', type=int, help='seed of every random stream')
    parser.add_argument(
        '--deterministic',
        action='store_true',
        help='use deterministic algorithms alone (slower)',
    )
    parser.add_argument(
        '--no-check',
        action='store_true',
        help='train without looking for faults in the config '
        '(tools/check_config.py) and in the training data',
    )
    args = parser.parse_args()
    if args.distill_from and not args.method:
        parser.error(f'--distill-from needs --method: {", ".join(METHODS)}')
    if (args.method or args.at) and not args.distill_from:
        parser.error('--method and --at need --distill-from TEACHER')
    return args


def main() -> None:
    """Trains."""
    args = parse_args()
    if args.distill_from:
        use_made_config(args)
    options = TrainingOptions(
        amp=args.amp,
        amp_dtype=args.amp_dtype,
        auto_scale_lr=args.auto_scale_lr,
        resume=args.resume,
        teacher_ckpt=args.teacher_ckpt,
        student_ckpt=args.student_ckpt,
        seed=args.seed,
        deterministic=args.deterministic,
        check=not args.no_check,
    )
    cfg = read_config(args)
    with hold_work_dir(cfg, args.force) as notes:
        training_runner(cfg, options, notes).train()
    leave_process_group()


if __name__ == '__main__':
    main()
