"""From an empty machine to a first result: the README's first command.

Clones the repository into a temporary folder and runs tools/quickstart.sh
there, which makes an environment of its own. It downloads torch and the rest;
what pip has in its cache it takes from there, unless ``--no-cache`` is said.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from cankd_mm.benchmarks.hardware import hardware, sentence
from cankd_mm.benchmarks.report import table, write

ROOT = Path(__file__).resolve().parents[2]
# Lines that say what begins: of the set-up, and of the quickstart.
_HEADLINES = (
    re.compile(r'^\[setup\] (.+) \.\.\.$'),
    re.compile(r'^\d+/\d+  (.+)$'),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``benchmark.py setup`` is asked."""
    parser.add_argument(
        '--no-cache', action='store_true', help="do without pip's cache"
    )
    parser.add_argument(
        '--repository', default=str(ROOT), help='what to clone (this one)'
    )


def run(args: argparse.Namespace) -> None:
    """Clones, runs, prints and writes."""
    found = hardware()
    print(f'{sentence(found)}\n', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = phases(stamped(_quickstart(args, Path(folder) / 'clone')))
    print(
        '\n'
        + table(rows, (('phase', 'phase', 's'), ('seconds', 'seconds', '.0f')))
    )
    write(args.json, 'setup', found, dict(no_cache=args.no_cache), rows)


def _quickstart(args: argparse.Namespace, clone: Path) -> Iterator[str]:
    """The lines that clone and quickstart print.

    Raises:
        CalledProcessError: One of them failed.
    """
    # An environment of its own: not the one this runs in.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ('PYTHON', 'PYTHONPATH', 'VIRTUAL_ENV')
    }
    environment['PYTHONUNBUFFERED'] = '1'
    if args.no_cache:
        environment['PIP_NO_CACHE_DIR'] = '1'
    yield '[setup] Cloning ...'
    clone_command = ['git', 'clone', '--quiet', args.repository, str(clone)]
    subprocess.run(clone_command, check=True)
    command = ['bash', 'tools/quickstart.sh']
    with subprocess.Popen(
        command,
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout:
            print(line, end='', flush=True)
            yield line
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def stamped(lines: Iterable[str]) -> Iterator[tuple[float, str]]:
    """Each line with the time it came at, and the time of the end."""
    for line in lines:
        yield time.monotonic(), line
    yield time.monotonic(), ''


def phases(lines: Iterable[tuple[float, str]]) -> list[dict]:
    """Seconds of every phase, and of all.

    Args:
        lines: Time and text. A phase begins at its headline and ends at the
            next one; the last line ends the last phase.
    """
    lines = list(lines)
    begun = [
        (at, match[1])
        for at, line in lines
        for match in (headline.match(line) for headline in _HEADLINES)
        if match
    ]
    ends = [at for at, _ in begun[1:]] + [lines[-1][0]]
    rows = [
        dict(phase=phase, seconds=end - at)
        for (at, phase), end in zip(begun, ends, strict=True)
    ]
    total = lines[-1][0] - lines[0][0]
    return [*rows, dict(phase='all', seconds=total)]
