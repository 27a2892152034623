"""What the commands that try all families have in common."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.families import catalog, processes, report


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """Return the options of such a command."""
    found = argparse.ArgumentParser(program, description=description)
    found.add_argument('--json', type=Path, help='keep the records here')
    found.add_argument(
        '--resume',
        action='store_true',
        help='leave out the families that the file of --json has',
    )
    found.add_argument('--markdown', type=Path, help='page with the table')
    found.add_argument('--jobs', type=int, default=2)
    found.add_argument(
        '--timeout', type=float, default=300, help='seconds for a family'
    )
    found.add_argument(
        '--only', nargs='+', metavar='NAME', help='folder, or package/folder'
    )
    return found


def parsed(
    options: argparse.ArgumentParser, arguments: list[str] | None
) -> argparse.Namespace:
    """Read the command line."""
    args = options.parse_args(arguments)
    if args.resume and not args.json:
        options.error('--resume needs --json')
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


def try_all(
    args: argparse.Namespace,
    function: Callable[[catalog.Family, Callable[[dict], None]], None],
    pages: Any,
) -> None:
    """Try families, and report them as they end.

    Args:
        args: The command line.
        function: Is given a family, and what saves its record.
        pages: Has ``line`` of a record, ``table`` and ``summary`` of all.
    """
    families = selected(args.only)
    records = report.load(args.json) if args.json else {}
    if args.resume:
        families = [f for f in families if f.name not in records]
    for family, record in processes.run_all(
        function, families, args.jobs, args.timeout
    ):
        records[family.name] = record
        if args.json:
            report.save(args.json, records)
        took = record['total_seconds']
        print(
            f'{family.name}: {took} s, {pages.line(record)}',
            file=sys.stderr,
            flush=True,
        )
    if args.markdown:
        report.write_page(args.markdown, pages.table(records))
    else:
        print(pages.table(records))
    print(pages.summary(records), file=sys.stderr)


def register_libraries() -> None:
    """Import the libraries once, and not in every process."""
    for name in ('mmdet', 'mmseg', 'mmrazor'):
        import_module(f'{name}.utils').register_all_modules(
            init_default_scope=False
        )
