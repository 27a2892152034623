"""Try the families and write what came out."""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

# Each of the processes has one core.
os.environ.setdefault('OMP_NUM_THREADS', '1')
# CUDA that was looked for cannot be used in a fork.
os.environ['CUDA_VISIBLE_DEVICES'] = ''

import cankd_mm  # noqa: E402, F401  (compatibility before MMRazor)

# isort: split
from tests.families import catalog, faults, processes, report  # noqa: E402


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        'python -m tests.families', description=__doc__
    )
    parser.add_argument('--json', type=Path, help='keep the records here')
    parser.add_argument(
        '--resume',
        action='store_true',
        help='leave out the families that the file of --json has',
    )
    parser.add_argument('--markdown', type=Path, help='page with the table')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument(
        '--timeout', type=float, default=300, help='seconds for a family'
    )
    parser.add_argument(
        '--only', nargs='+', metavar='NAME', help='folder, or package/folder'
    )
    args = parser.parse_args(arguments)
    if args.resume and not args.json:
        parser.error('--resume needs --json')
    return args


def selected(only: list[str] | None) -> list[catalog.Family]:
    """The families that are named, or all.

    Raises:
        SystemExit: There is no such family.
    """
    families = catalog.families()
    known = {f.name for f in families} | {f.folder for f in families}
    if unknown := sorted(set(only or []) - known):
        raise SystemExit(f'no such family: {", ".join(unknown)}')
    return [f for f in families if not only or {f.name, f.folder} & set(only)]


def main(arguments: list[str] | None = None) -> None:
    """Try families, and report them as they end."""
    args = parse_args(arguments)
    families = selected(args.only)
    records = report.load(args.json) if args.json else {}
    if args.resume:
        families = [f for f in families if f.name not in records]
    # Once, and not in every process.
    for name in ('mmdet', 'mmseg', 'mmrazor'):
        import_module(f'{name}.utils').register_all_modules(
            init_default_scope=False
        )
    trial = import_module('tests.families.trial')
    for family, record in processes.run_all(
        trial.attempt, families, args.jobs, args.timeout
    ):
        records[family.name] = record
        if args.json:
            report.save(args.json, records)
        result, fault, error = faults.outcome(record)
        print(
            f'{family.name}: {record["total_seconds"]} s, {result} '
            f'{fault} {error[:200]}',
            file=sys.stderr,
            flush=True,
        )
    if args.markdown:
        report.write_page(args.markdown, report.table(records))
    else:
        print(report.table(records))
    print(report.summary(records), file=sys.stderr)


if __name__ == '__main__':
    main()
