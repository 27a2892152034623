"""Print the config that will really run.

    python tools/print_config.py my_pair.py
    python tools/print_config.py my_pair.py --cfg-options data_root=photos/
    python tools/print_config.py my_pair.py --out my_run.py

The bases are merged, the options applied, and `data_root`, `classes` and
`image_scale` are where they belong: in the data sets, the evaluators and the
heads. Helper variables of the bases, which no program reads any more, are left
out; --all prints them, too. A file written with --out has no bases; every
program that reads configs with MMEngine trains on the same data with it.
"""

import argparse
import sys
from pathlib import Path

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from cankd_mm.config.run_keys import without_helper_variables
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_options import ConfigOptions


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
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='overrides of the config, as for training',
    )
    parser.add_argument(
        '--all', action='store_true', help='also what no program reads'
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE',
        help='write it to a new file (.py, .json or .yml) instead',
    )
    args = parser.parse_args()
    if args.out:
        if args.out.suffix not in ('.py', '.json', '.yml', '.yaml'):
            parser.error(f'--out {args.out} must end with .py, .json or .yml')
        if args.out.exists():
            parser.error(f'--out {args.out} is there already; nothing written')
    return args


def main() -> None:
    """Print the config, or write it to a file."""
    args = parse_args()
    try:
        cfg = config_from_file(args.config, 'config', args.cfg_options)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'{args.config} cannot be read: {error}')
    if not args.all:
        cfg = without_helper_variables(cfg)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(args.out)
    else:
        print(cfg.pretty_text)


if __name__ == '__main__':
    main()
