"""Try the families and write what came out."""

import os
from importlib import import_module

# Each of the processes has one core.
os.environ.setdefault('OMP_NUM_THREADS', '1')
# CUDA that was looked for cannot be used in a fork.
os.environ['CUDA_VISIBLE_DEVICES'] = ''

import cankd_mm  # noqa: E402, F401  (compatibility before MMRazor)

# isort: split
from tests.families import command, report  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    """Try families, and report them as they end."""
    options = command.parser('python -m tests.families', __doc__)
    args = command.parsed(options, arguments)
    command.selected(args.only)
    command.register_libraries()
    attempt = import_module('tests.families.trial').attempt
    command.try_all(args, attempt, report)


if __name__ == '__main__':
    main()
