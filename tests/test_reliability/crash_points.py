"""Stops a process at a chosen step of saving its files.

What a save does to the disk is a sequence of steps: files are made, written,
flushed, renamed and removed. :func:`stop_before` ends this process, as
SIGKILL would, before the n-th of them; :func:`count_steps` writes how many
there are.
"""

import builtins
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_EVENTS = ('os.rename', 'os.remove', 'shutil.rmtree')
# The first writes to a file; a checkpoint takes hundreds.
_WRITES = 2


class _Steps:
    """Counts the steps; at the chosen one the process ends."""

    def __init__(self, folder: Path, stop: int | None, log: Path | None):
        self.folder, self.stop, self.log = str(folder), stop, log
        self.count = 0

    def __call__(self, what: str, path) -> None:
        self.count += 1
        if self.log is not None:
            with self._open(self.log, 'a') as file:
                file.write(f'{what} {os.path.basename(str(path))}\n')
        if self.count == self.stop:
            os.kill(os.getpid(), signal.SIGKILL)

    _open = staticmethod(builtins.open)

    def concerns(self, path) -> bool:
        """Whether a path is a checkpoint's or a note's about one."""
        name = os.fsdecode(path) if isinstance(path, bytes) else str(path)
        return name.startswith(self.folder) and (
            '.pth' in name or 'last_checkpoint' in name
        )


class _StepwiseFile:
    """A file whose first writes are two steps each, with half the data."""

    def __init__(self, file, path, steps: _Steps) -> None:
        self._file, self._path, self._steps = file, path, steps
        self._writes = 0

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def write(self, data) -> int:
        self._writes += 1
        if self._writes > _WRITES:
            return self._file.write(data)
        self._steps('write', self._path)
        half = len(data) // 2
        self._file.write(data[:half])
        self._file.flush()
        self._steps('write half', self._path)
        self._file.write(data[half:])
        self._file.flush()
        return len(data)


def stop_before(step: int, folder: Path) -> None:
    """Ends this process before a step of saving in a folder.

    Args:
        step: Counted from 1.
        folder: Only checkpoints in it count.
    """
    _watch(_Steps(folder, step, None))


def log_steps(folder: Path, log: Path) -> None:
    """Writes every step of saving in a folder into a file, a line each."""
    _watch(_Steps(folder, None, log))


def in_child(function: Callable, *arguments) -> int:
    """Calls a function in a fork and returns its exit code.

    Minus the number of a signal that ended it; 1 after an exception.
    """
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            function(*arguments)
            code = 0
        except BaseException as error:
            print(f'{type(error).__name__}: {error}', file=sys.stderr)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _watch(steps: _Steps) -> None:
    """Puts the steps where Python makes changes to the disk."""

    def audit(event: str, arguments: tuple) -> None:
        if event in _EVENTS and steps.concerns(arguments[0]):
            steps(event, arguments[0])

    paths: dict[int, str] = {}
    sys.addaudithook(audit)
    fsync, fdopen, open_ = os.fsync, os.fdopen, builtins.open
    open_descriptor = os.open

    def watched_descriptor(path, flags, *args, **kwargs):
        makes = flags & os.O_CREAT and steps.concerns(path)
        if makes:
            steps('make', path)
        descriptor = open_descriptor(path, flags, *args, **kwargs)
        # Numbers are used again.
        paths.pop(descriptor, None)
        if makes:
            paths[descriptor] = str(path)
        return descriptor

    def watched_fdopen(descriptor, *args, **kwargs):
        file = fdopen(descriptor, *args, **kwargs)
        path = paths.get(descriptor)
        if path is None or not steps.concerns(path):
            return file
        return _StepwiseFile(file, path, steps)

    def watched_open(file, mode='r', *args, **kwargs):
        opened = None
        if 'w' in mode and steps.concerns(file):
            steps('open', file)
            opened = open_(file, mode, *args, **kwargs)
            return _StepwiseFile(opened, file, steps)
        return open_(file, mode, *args, **kwargs)

    def watched_fsync(descriptor):
        path = paths.get(descriptor, '')
        if steps.concerns(path):
            steps('flush', path)
        return fsync(descriptor)

    os.open, os.fdopen, os.fsync, builtins.open = (
        watched_descriptor,
        watched_fdopen,
        watched_fsync,
        watched_open,
    )
