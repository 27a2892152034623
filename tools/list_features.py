"""List the modules that a distillation can record, and what they return.

    python tools/list_features.py STUDENT TEACHER
    python tools/list_features.py my_pair.py
    python tools/list_features.py mmdet::yolox/yolox_s_8xb8-300e_coco.py --all

Each model runs once on one image, without weights where that is possible: the
student as in training, the teacher as beside it. Listed are necks, backbones
with their stages, and the ends of decode heads; --all lists every module. Of a
distillation config student and teacher are listed, and what it records is
marked. Below is what each method would compare, which tools/make_config.py
writes as a config.
"""

import argparse
import json
import sys

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.pairing.errors import PairingError, described
from cankd_mm.pairing.feature_table import LEGEND, as_data, rows, table
from cankd_mm.pairing.features import student_features
from cankd_mm.pairing.methods import METHODS
from cankd_mm.pairing.pair import look_at
from cankd_mm.pairing.read_models import ReadModel, read_models


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config',
        help='a config file, or package::path: a model, a student, or a '
        'distillation',
    )
    parser.add_argument('teacher', nargs='?', help="the teacher's config")
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help='height and width of the image (those of the recipe, or 512x512)',
    )
    parser.add_argument(
        '--all', action='store_true', help='every module that returns a map'
    )
    parser.add_argument(
        '--json', action='store_true', help='print the table as JSON'
    )
    args = parser.parse_args()
    if args.size and min(args.size) < 1:
        parser.error(f'--size {args.size}: expected two numbers of pixels')
    return args


def main() -> None:
    """Print the table."""
    args = parse_args()
    size = tuple(args.size) if args.size else None
    try:
        models = read_models(args.config)
        if args.teacher:
            models = [models[0], read_models(args.teacher)[0]]
        if len(models) > 1:
            pair = look_at(*models, size, whole=args.all)
            looked = [pair.student, pair.teacher]
        else:
            (model,) = models
            looked = [
                student_features(
                    model.config, model.scope, size or model.size, args.all
                )
            ]
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        sys.exit(f'list_features: {described(error)}')
    found = rows(looked, args.all)
    if not found:
        kinds = ', '.join(type(f.model).__name__ for f in looked)
        reasons = '; '.join(f.failure for f in looked if f.failure)
        sys.exit(
            f'list_features: no neck, backbone or decode_head of {kinds} was '
            f'called. {reasons or "--all lists every module"}. Of a model '
            'that holds other models (semi-supervised, tracking) name the '
            "inner one's config"
        )
    marked = [model.compared for model in models]
    if args.json:
        print(json.dumps(as_data(found, marked), indent=2))
        return
    _print_heads(models, looked, args.all)
    print(table(found, marked))
    if len(looked) > 1:
        print('\nWhat a method would compare (tools/make_config.py):')
        for name, draft in METHODS.items():
            try:
                text = draft(pair).summary
            except PairingError as error:
                text = f'refused: {error}'
            print(f'  {name:6} {text}')


def _print_heads(models: list[ReadModel], looked, whole: bool) -> None:
    for model, features in zip(models, looked, strict=True):
        height, width = features.size
        print(
            f'{type(features.model).__name__}: {model.path}, image of '
            f'{height}x{width} pixels'
        )
        if features.failure:
            print(
                f'  the forward ended early: {features.failure}'
                if whole
                else '  not run to its end, which needs weights (--all)'
            )
    is_pair = any(model.compared for model in models)
    mark = '. *: compared by a loss' if is_pair else ''
    print(f'{LEGEND}{mark}.\n')


if __name__ == '__main__':
    main()
