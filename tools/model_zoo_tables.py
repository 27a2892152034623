"""Writes the tables in the READMEs of configs/, or checks them.

    python tools/model_zoo_tables.py
    python tools/model_zoo_tables.py --check

They are made from each method's metafile.yml and from the names of the
configs.
"""

import argparse
from pathlib import Path

from cankd_mm.model_zoo import renew

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'configs',
        nargs='?',
        type=Path,
        default=CONFIGS,
        help="the zoo's folder (configs/ of this repository)",
    )
    parser.add_argument(
        '--check', action='store_true', help='report only, change nothing'
    )
    return parser.parse_args()


def main() -> None:
    """Writes or checks; fails if anything is wrong."""
    args = parse_args()
    found = renew(args.configs, args.check)
    if found:
        raise SystemExit('\n'.join(found))


if __name__ == '__main__':
    main()
