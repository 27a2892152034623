"""Runs functions in processes of their own, each with a time limit."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

_POLL_SECONDS = 0.1


class _Running(NamedTuple):
    task: Any
    pid: int
    start: float
    folder: tempfile.TemporaryDirectory


def run_all(
    function: Callable[[Any, Callable[[dict], None]], None],
    tasks: Iterable[Any],
    jobs: int,
    timeout: float,
) -> Iterator[tuple[Any, dict]]:
    """Yield every task and its record, in the order in which they end.

    Args:
        function: Is given a task, and what saves the task's record. It is
            called in a fork of this process.
        tasks: What is run.
        jobs: How many processes run at a time.
        timeout: Seconds after which a process and its children are killed.

    The last record that was saved gets ``total_seconds``, and ``ended``:
    '' for a function that has returned, else 'timeout' or how it ended.
    """
    waiting, running = list(tasks), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(function, waiting.pop(0)))
            for process in list(running):
                ended = _ended(process, timeout)
                if ended is not None:
                    running.remove(process)
                    yield process.task, _record(process, ended)
            time.sleep(_POLL_SECONDS)
    finally:
        for process in running:
            _kill(process)


def _start(function: Callable, task: Any) -> _Running:
    folder = tempfile.TemporaryDirectory()
    pid = os.fork()
    if pid:
        return _Running(task, pid, time.monotonic(), folder)
    status = 1
    try:
        os.setsid()
        tempfile.tempdir = folder.name
        _redirect(Path(folder.name, 'output'))
        function(task, lambda record: _save(folder.name, record))
        status = 0
    except BaseException as error:
        print(repr(error), flush=True)
    finally:
        # Neither exit handlers nor buffers are this process's own.
        os._exit(status)


def _redirect(output: Path) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(file, stream)


def _save(folder: str, record: dict) -> None:
    new = Path(folder, 'new.json')
    new.write_text(json.dumps(record))
    new.replace(Path(folder, 'record.json'))


def _ended(process: _Running, timeout: float) -> str | None:
    """How a process ended; None while it runs."""
    pid, status = os.waitpid(process.pid, os.WNOHANG)
    if not pid:
        if time.monotonic() - process.start < timeout:
            return None
        _kill(process)
        return 'timeout'
    code = os.waitstatus_to_exitcode(status)
    if code:
        output = Path(process.folder.name, 'output')
        last = output.read_text(errors='replace').splitlines()[-1:]
        return f'exit code {code}: {"".join(last)[:300]}'
    return ''


def _kill(process: _Running) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not come to `setsid` yet
        os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)


def _record(process: _Running, ended: str) -> dict:
    file = Path(process.folder.name, 'record.json')
    record = json.loads(file.read_text()) if file.exists() else {}
    process.folder.cleanup()
    seconds = round(time.monotonic() - process.start, 1)
    return {**record, 'total_seconds': seconds, 'ended': ended}
