"""Measures what a distillation costs.

    python tools/benchmark.py losses
    python tools/benchmark.py scaling --only CanKD PKD MSE
    python tools/benchmark.py step --threads 2
    python tools/benchmark.py memory
    python tools/benchmark.py setup
    python tools/benchmark.py compare --before a.json --after b.json

`losses` runs every loss at the sizes of its paper beside its formula as
printed, MMRazor's CWD, PKD and MGD, and a plain mean squared error; `scaling`
fits how cost grows with the number of positions; `step` times whole training
steps beside the student alone and MMRazor's own algorithms; `memory` compares
the forecast of memory with the peaks of real steps; `setup` times the
quickstart in a fresh clone; `compare` sets results of `losses` side by side.
"""

import argparse
from importlib import import_module
from pathlib import Path

import torch

import cankd_mm  # noqa: F401  (before anything of MMRazor)

COMMANDS = {
    'losses': 'every loss at the sizes of its paper, beside others',
    'scaling': 'cost of every loss against the number of positions',
    'step': 'a whole training step, beside its lower bound and MMRazor',
    'compare': 'results of losses before and after a change',
    'memory': 'the forecast of memory beside measured peaks',
    'setup': 'an empty machine to the first result; needs the network',
}


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    for name, summary in COMMANDS.items():
        module = import_module(f'cankd_mm.benchmarks.{name}')
        command = commands.add_parser(
            name, help=summary, description=module.__doc__
        )
        module.add_arguments(command)
        command.add_argument(
            '--json', type=Path, metavar='FILE', help='write the figures'
        )
        command.add_argument(
            '--threads',
            type=int,
            default=torch.get_num_threads(),
            help="CPU threads of torch (torch's choice)",
        )
        command.set_defaults(run=module.run)
    return parser.parse_args()


def main() -> None:
    """Runs one benchmark."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    args.run(args)


if __name__ == '__main__':
    main()
