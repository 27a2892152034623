"""Pair every family by every method, train a step, write what came out."""

import os
from functools import partial
from importlib import import_module

# Each of the processes has one core.
os.environ.setdefault('OMP_NUM_THREADS', '1')
# CUDA that was looked for cannot be used in a fork.
os.environ['CUDA_VISIBLE_DEVICES'] = ''

import cankd_mm  # noqa: E402, F401  (compatibility before MMRazor)

# isort: split
from tests.architectures import report  # noqa: E402
from tests.families import command  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    """Try families, and report them as they end."""
    options = command.parser('python -m tests.architectures', __doc__)
    options.add_argument(
        '--methods',
        nargs='+',
        choices=report.METHODS,
        default=report.METHODS,
        help='the methods that are tried',
    )
    args = command.parsed(options, arguments)
    command.selected(args.only)
    command.register_libraries()
    trial = import_module('tests.architectures.trial')
    command.try_all(args, partial(trial.attempt, methods=args.methods), report)


if __name__ == '__main__':
    main()
