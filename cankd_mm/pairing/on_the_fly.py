"""Makes the config of a pair when a training starts."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from cankd_mm.config.own_data.class_names import checked_classes
from cankd_mm.pairing.errors import described
from cankd_mm.pairing.make import default_name, write_pair
from cankd_mm.pairing.pair import PairRequest
from cankd_mm.utils.command_line import rank

# Beside it the runner writes the whole config under the same name.
_FOLDER = 'made'
# Of the distillation that is made.
_OWN_KEYS = (
    'allow_random_teacher',
    'architecture',
    'distill_weight',
    'distiller',
    'dry_run_size',
    'fold_teacher_norms',
    'inherit',
    'student_ckpt',
    'teacher',
    'teacher_channels_last',
    'teacher_ckpt',
    'teacher_dtype',
    'truncations',
)


def use_made_config(args: argparse.Namespace) -> None:
    """Let a training command line name the config that it asks for.

    The config is left in ``made/`` of the work dir. One that is there, from
    the same command, is used again.

    Args:
        args: That of ``tools/train.py``: ``config`` is the student's and
            ``distill_from`` the teacher's. ``config``, ``work_dir`` and
            ``teacher_ckpt`` change.

    Raises:
        SystemExit: The pair cannot be made, or another config is there.
    """
    name = default_name(args.config, args.distill_from, args.method)
    if args.work_dir is None:
        args.work_dir = str(Path('work_dirs', Path(name).stem))
    path = Path(args.work_dir, _FOLDER, name)
    options = args.cfg_options or {}
    for key in options:
        if key.startswith('model.') and key.split('.')[1] not in _OWN_KEYS:
            sys.exit(
                f'--cfg-options {key}: with --distill-from the model is the '
                "distillation, and the student's is model.architecture. Set "
                'what shapes the student in a config of its own, with the '
                'recipe as its _base_'
            )
    classes = options.get('classes')
    request = PairRequest(
        student=args.config,
        teacher=args.distill_from,
        method=args.method,
        teacher_ckpt=args.teacher_ckpt,
        at=args.at,
        data_root=options.get('data_root'),
    )
    try:
        if classes is not None:
            request = replace(request, classes=checked_classes(classes))
        made = write_pair(request, path, reuse=True)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        sys.exit(f'--distill-from {args.distill_from}: {described(error)}')
    if rank(args.launcher) == 0:
        print(f'{path}: {made.pair.draft.summary}', flush=True)
    args.config = str(path)
    args.teacher_ckpt = None  # it is in the config
