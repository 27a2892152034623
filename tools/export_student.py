"""Writes the student of a distillation checkpoint as a plain checkpoint.

python tools/export_student.py configs/digits/cankd_retinanet.py \
        work_dirs/cankd_retinanet/epoch_4.pth --check
"""

import argparse
from pathlib import Path

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_path import resolve_path
from cankd_mm.utils.student_export import (
    check_student,
    export_student,
    student_config_text,
    student_path,
)


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='the distillation config')
    parser.add_argument('checkpoint', help='a checkpoint of its run')
    parser.add_argument(
        '--out', type=Path, help='the file to write (<name>_student.pth)'
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help='load the result into the plain student, every key of it',
    )
    parser.add_argument(
        '--force', action='store_true', help='overwrite an existing file'
    )
    return parser.parse_args()


def main() -> None:
    """Exports."""
    args = parse_args()
    config = resolve_path(args.config, 'config')
    out = args.out or student_path(args.checkpoint)
    if out.exists() and not args.force:
        raise SystemExit(
            f'{out} exists. Name another file with --out, or overwrite it '
            'with --force'
        )
    export_student(
        args.checkpoint,
        out,
        student_config_text(config_from_file(config, 'config')),
    )
    print(f'The student alone is in {out}')
    if args.check:
        print(check_student(config, out))


if __name__ == '__main__':
    main()
