"""Shows where teacher and student look, local module by local module.

    python tools/visualize_activation.py configs/digits/lakd_retinanet.py \
        work_dirs/lakd_retinanet/epoch_4.pth image.png

Writes the activation maps of every pair of features that a distillation
compares, side by side on the image.
"""

import argparse
from pathlib import Path

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.engine.activation_picture import save_activation_picture
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_options import ConfigOptions


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='the distillation config')
    parser.add_argument(
        'checkpoint', help='a checkpoint of its run, or of the plain student'
    )
    parser.add_argument('image', help='an image file')
    parser.add_argument(
        '--out',
        type=Path,
        help='the file to write (<checkpoint>_<image>_activation.png, beside '
        'the checkpoint)',
    )
    parser.add_argument(
        '--force', action='store_true', help='overwrite an existing file'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='overrides of the config',
    )
    return parser.parse_args()


def main() -> None:
    """Paints."""
    args = parse_args()
    checkpoint = Path(args.checkpoint)
    out = args.out or checkpoint.with_name(
        f'{checkpoint.stem}_{Path(args.image).stem}_activation.png'
    )
    if out.exists() and not args.force:
        raise SystemExit(
            f'{out} exists. Name another file with --out, or overwrite it '
            'with --force'
        )
    cfg = config_from_file(args.config, 'config', args.cfg_options)
    pairs = save_activation_picture(cfg, args.checkpoint, args.image, out)
    for pair in pairs:
        print(
            f'{pair.student_module} and {pair.teacher_module}: cosine '
            f'{pair.cosine:.3f}'
        )
    print(f'The activation maps are in {out}')


if __name__ == '__main__':
    main()
