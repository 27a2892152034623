"""Takes the work dir for a training and gives it back, however that ends."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator

from mmengine.config import Config

from cankd_mm.checkpoint.whole_file import leftovers
from cankd_mm.engine.runner.checkpoint_places import checkpoint_places
from cankd_mm.engine.runner.resume import Note
from cankd_mm.engine.runner.work_dir_lock import WorkDirLock
from cankd_mm.utils.command_line import rank

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
    """Remove unfinished files; nobody else writes here."""
    notes = []
    folders = dict.fromkeys(place.folder for place in checkpoint_places(cfg))
    for folder in {str(cfg.work_dir): None, **folders}:
        for path in leftovers(folder):
            with contextlib.suppress(OSError):
                path.unlink()
                notes.append(
                    (
                        logging.WARNING,
                        f'removed {path}, which a killed process left '
                        'unfinished',
                    )
                )
    return notes


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
