"""Makes the config of a pair when a training starts."""

import argparse
import sys
from pathlib import Path

from cankd_mm.pairing.make import default_name, write_pair
from cankd_mm.pairing.pair import PairRequest
from cankd_mm.utils.command_line import rank

# Beside it the runner writes the whole config under the same name.
_FOLDER = 'made'


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
    classes = options.get('classes')
    request = PairRequest(
        student=args.config,
        teacher=args.distill_from,
        method=args.method,
        teacher_ckpt=args.teacher_ckpt,
        at=args.at,
        data_root=options.get('data_root'),
        classes=None if classes is None else tuple(classes),
    )
    try:
        made = write_pair(request, path, reuse=True)
    except (FileExistsError, FileNotFoundError, ValueError) as error:
        sys.exit(f'--distill-from {args.distill_from}: {error}')
    if rank(args.launcher) == 0:
        print(f'{path}: {made.pair.draft.summary}', flush=True)
    args.config = str(path)
    args.teacher_ckpt = None  # it is in the config
