"""Takes the work dir for a training and gives it back, however that ends."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from cankd_mm.checkpoint.whole_file import final_name, leftovers
from cankd_mm.engine.runner.checkpoint_places import (
    CheckpointPlace,
    checkpoint_places,
)
from cankd_mm.engine.runner.file_system_time import file_system_time
from cankd_mm.engine.runner.resume import Note
from cankd_mm.engine.runner.work_dir_lock import WorkDirLock
from cankd_mm.utils.command_line import rank

# Seconds for which an unfinished file was not written to when it is certain
# that no process is writing it.
_OLD = 600
# Signals that end a process by default.
_ENDING = [
    getattr(signal, name)
    for name in ('SIGTERM', 'SIGHUP')
    if hasattr(signal, name)
]


@contextlib.contextmanager
def hold_work_dir(cfg: Config, force: bool = False) -> Iterator[list[Note]]:
    """Hold a config's work dir, and clean up what a killed training left.

    Of several processes only the first does anything.

    Args:
        cfg: With ``work_dir`` and ``launcher``.
        force: Take the work dir from a living training.

    Yields:
        What to report, once there is a log file.

    Raises:
        WorkDirInUseError: Another training holds the work dir.
        OSError: Nothing can be written there.
    """
    if rank(cfg.launcher) != 0:
        yield []
        return
    lock = WorkDirLock(cfg.work_dir)
    notes = [(logging.WARNING, text) for text in lock.acquire(force)]
    try:
        with _released_by_signals(lock, cfg.launcher):
            if not force:
                notes += _remove_leftovers(cfg)
            yield notes
    finally:
        lock.release()


def _remove_leftovers(cfg: Config) -> list[Note]:
    """Remove unfinished files that no process is writing.

    The lock excludes other trainings from the work dir, so what a training
    writes there is left by a killed one. Another file may be an export that
    is being written, and a folder of ``out_dir`` may be shared by runs with
    the same name: files that are not old stay.
    """
    places = checkpoint_places(cfg)
    folders = dict.fromkeys(
        [str(cfg.work_dir), *(place.folder for place in places)]
    )
    notes = []
    for folder in folders:
        for path in leftovers(folder):
            with contextlib.suppress(OSError):
                is_own = os.path.samefile(folder, cfg.work_dir) and (
                    _is_written(final_name(path), places)
                )
                if not is_own and not _is_old(path):
                    continue
                path.unlink()
                notes.append(
                    (
                        logging.WARNING,
                        f'removed {path}, which a killed process left '
                        'unfinished',
                    )
                )
    return notes


def _is_written(name: str, places: list[CheckpointPlace]) -> bool:
    """Return whether a training writes a file with this name."""
    return name == 'last_checkpoint' or any(
        place.is_written(name) for place in places
    )


def _is_old(path: Path) -> bool:
    age = file_system_time(path.parent) - path.stat().st_mtime_ns
    return age / 1e9 > _OLD


@contextlib.contextmanager
def _released_by_signals(lock: WorkDirLock, launcher: str) -> Iterator[None]:
    """Release a lock before a signal ends the process.

    Python handles a signal once the main thread runs Python again, which a
    process of several may never do while it waits for another one's tensors.
    Those keep what the system does, and leave a lock that expires.
    """
    if (
        launcher != 'none'
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    owner = os.getpid()

    def end(number: int, frame) -> None:
        # Forked workers inherit this function, not the lock.
        if os.getpid() == owner:
            lock.release()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # A signal that is handled, or ignored as by nohup, stays so.
    handled = [
        number
        for number in _ENDING
        if signal.getsignal(number) == signal.SIG_DFL
    ]
    for number in handled:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
