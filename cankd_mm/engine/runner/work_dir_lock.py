"""Keeps two trainings from writing into the same work dir.

The holder is the file ``.training.lock.<number>`` in the work dir. It names
host, process and start time, and a thread renews its time as long as the
process lives (the heartbeat), so that a training which was killed, or whose
host is gone, does not hold the work dir forever.

The one primitive is the exclusive creation of a file, which NFS has too:

- A free work dir is taken by creating number 1.
- The dead holder ``n`` is taken over by creating ``n + 1``, not by removing
  or renaming ``n``: of several that try, one succeeds, and none can remove a
  file that another has just created. The others start again and find the new
  holder alive.
- The winner lists the files once more. An unknown one means that the first
  listing was out of date: it withdraws and starts again. So of two files
  created with different numbers at most one stays.
- Only then the dead files are removed.

A holder that cannot be looked up is dead once its file was watched, by the
clock of the process that watches, and its time did not change. The times of
files are compared for equality only: where the clients of a file system set
them (Lustre, GPFS, SMB, FUSE), they come from clocks that differ. A file that
looks old is therefore watched, too; for a shorter time.

What no lock with a heartbeat can exclude is a process that stands still for
longer than ``expiry`` and then goes on: it notices at its next heartbeat that
it was replaced, and logs an error. ``expiry`` is many intervals, because one
long call of a C function that keeps the GIL (``json.load`` of gigabytes)
stops the heartbeat, too.

``filelock`` has the same idea as ``SoftFileLease``, from version 4 and Python
3.11 on only. ``flufl.lock`` requires hard links and the clocks of all hosts
to agree.
"""

import contextlib
import errno
import json
import logging
import math
import os
import random
import re
import shlex
import socket
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mmengine.logging import print_log

from cankd_mm.engine.runner.file_system_time import file_system_time
from cankd_mm.engine.runner.process_identity import (
    process_start,
    visible_processes,
)

# Seconds between two heartbeats, and without one until a holder is dead.
INTERVAL = 5.0
EXPIRY = 60.0
# Heartbeats that are waited for where the last one seems older than that.
_MISSED = 3
_NAME = re.compile(r'\.training\.lock\.(\d+)')
# A file system that cannot create exclusively, rather than one that is full
# or must not be written.
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


class WorkDirInUseError(RuntimeError):
    """Another training holds the work dir."""


@dataclass(frozen=True)
class _Lock:
    """A lock file as it was read.

    Attributes:
        path: The file.
        holder: What it says; empty where it is not written yet.
        renewed: Its time, in nanoseconds.
    """

    path: Path
    holder: dict
    renewed: int

    @classmethod
    def read(cls, path: Path) -> '_Lock | None':
        """Read a lock file; None if there is none any more."""
        try:
            # Opening, unlike a bare `stat`, makes NFS ask the server.
            with open(path, 'rb') as file:
                text = file.read()
                renewed = os.fstat(file.fileno()).st_mtime_ns
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESTALE):
                return None
            raise
        try:
            holder = json.loads(text)
        except ValueError:
            holder = {}
        return cls(path, holder if isinstance(holder, dict) else {}, renewed)

    def __str__(self) -> str:
        """Name the holder."""
        holder = {
            key: self.holder.get(key, 'unknown')
            for key in ('host', 'process', 'started', 'command')
        }
        return (
            'host {host}, process {process}, started {started} '
            '({command})'.format(**holder)
        )


class WorkDirLock:
    """Hold a work dir for one training.

    Args:
        work_dir: The folder; made where it is missing.
        interval: Seconds between two heartbeats.
        expiry: Seconds without a heartbeat until a holder on another host is
            taken for dead. At least three intervals of them are watched. On
            the same host its process is looked up.

    Examples:
        >>> lock = WorkDirLock('work_dirs/cankd_retinanet')
        >>> notes = lock.acquire()
        >>> lock.release()
    """

    def __init__(
        self,
        work_dir: str | Path,
        interval: float = INTERVAL,
        expiry: float = EXPIRY,
    ) -> None:
        self.work_dir = Path(work_dir)
        self.interval = interval
        self.expiry = expiry
        self._token = uuid.uuid4().hex
        self._path: Path | None = None
        self._ended = threading.Event()

    def acquire(self, force: bool = False) -> list[str]:
        """Take the work dir, from a dead holder too.

        Returns within milliseconds where the work dir is free or its holder
        is a process that can be looked up: on Linux one of the same host, or
        of the same container. Any other is watched until its next heartbeat.
        It is dead after ``expiry`` seconds without one, or after three
        intervals where its last heartbeat seems to be older than ``expiry``.

        Args:
            force: Take it from a living holder as well.

        Returns:
            What to report: who was replaced and why, or that there is no
            lock because the file system has none.

        Raises:
            WorkDirInUseError: A living training holds it.
            OSError: Nothing can be written there.
        """
        try:
            self.work_dir.mkdir(parents=True, exist_ok=True)
            notes = self._take(force)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return [
                    f'{self.work_dir}: its file system cannot lock '
                    f'({error.strerror}). A second training in this work dir '
                    'will not be noticed'
                ]
            raise type(error)(
                error.errno,
                f'work dir {self.work_dir} cannot be written: '
                f'{error.strerror}. Choose another with --work-dir',
            ) from error
        threading.Thread(
            target=self._beat, name='work dir lock', daemon=True
        ).start()
        return notes

    def release(self) -> None:
        """Give the work dir back; safe to call more than once."""
        self._ended.set()
        path, self._path = self._path, None
        with contextlib.suppress(OSError):
            if path is not None and self._is_own(path):
                path.unlink()

    def _take(self, force: bool) -> list[str]:
        while True:
            found = self._locks()
            notes = []
            for lock in found:
                why = '--force' if force else self._death(lock)
                if why is None:
                    # It may have been read before it was written.
                    lock = _Lock.read(lock.path) or lock
                    raise WorkDirInUseError(
                        f'work dir {self.work_dir}: another training writes '
                        f'here: {lock}. Choose another --work-dir, wait for '
                        'it to end, or take the work dir over with --force'
                    )
                notes.append(
                    f'work dir {self.work_dir} taken over from {lock}: {why}'
                )
            last = max((_number(lock.path) for lock in found), default=0)
            path = self.work_dir / f'.training.lock.{last + 1}'
            try:
                self._create(path)
            except FileExistsError:
                continue
            replaced = {lock.path for lock in found}
            if all(
                lock.path == path or lock.path in replaced
                for lock in self._locks()
            ):
                break
            path.unlink(missing_ok=True)
            # Two that withdraw from each other should not meet again.
            time.sleep(random.SystemRandom().uniform(0, 0.2))
        for lock in found:
            lock.path.unlink(missing_ok=True)
        self._path = path
        return notes

    def _create(self, path: Path) -> None:
        holder = dict(
            host=socket.gethostname(),
            process=os.getpid(),
            started=datetime.now().astimezone().isoformat(' ', 'seconds'),
            command=shlex.join(sys.argv),
            sees=visible_processes(),
            process_start=process_start(os.getpid()),
            token=self._token,
        )
        with open(path, 'x') as file:
            try:
                json.dump(holder, file)
                file.flush()
            except OSError:
                path.unlink(missing_ok=True)
                raise

    def _locks(self) -> list[_Lock]:
        """Read all lock files of the work dir."""
        locks = [
            _Lock.read(path)
            for path in sorted(self.work_dir.iterdir())
            if _NAME.fullmatch(path.name)
        ]
        return [lock for lock in locks if lock is not None]

    def _death(self, lock: _Lock) -> str | None:
        """Find out whether a holder is dead.

        Returns:
            How that is known, or None for a living one.
        """
        first, pause = lock.renewed, self.interval / 10
        age = (file_system_time(self.work_dir) - first) / 1e9
        # The age may be the difference of two hosts' clocks: it never is the
        # reason.
        watch = _MISSED * self.interval
        if age <= self.expiry:
            watch = max(watch, self.expiry)
        # Counted in looks: while this process or the file system stands
        # still, the holder's heartbeats may as well.
        looks = math.ceil(watch / pause)
        is_announced = False
        while True:
            sees = lock.holder.get('sees')
            if sees is not None and sees == visible_processes():
                started = process_start(lock.holder.get('process'))
                if started is None:
                    return 'that process has ended'
                if started != lock.holder.get('process_start'):
                    return 'that number belongs to another process by now'
                return None
            if looks == 0:
                return f'no heartbeat for {max(age, 0) + watch:.0f} s'
            if lock.holder and not is_announced:
                is_announced = True
                print_log(
                    f'work dir {self.work_dir}: held by {lock}; looking for '
                    f'a heartbeat for up to {looks * pause:.0f} s',
                    logger='current',
                )
            time.sleep(pause)
            looks -= 1
            again = _Lock.read(lock.path)
            if again is None:
                return 'it has just ended'
            if again.renewed != first and again.holder:
                return None
            lock = again

    def _is_own(self, path: Path) -> bool:
        lock = _Lock.read(path)
        return lock is not None and lock.holder.get('token') == self._token

    def _beat(self) -> None:
        path = self._path
        while not self._ended.wait(self.interval):
            # A disk that fails for a while is no reason to give up.
            with contextlib.suppress(OSError):
                if not self._is_own(path):
                    break
                os.utime(path)
        if self._ended.is_set():
            return
        holders = 'another training'
        with contextlib.suppress(OSError):
            holders = ', '.join(map(str, self._locks())) or holders
        print_log(
            f'work dir {self.work_dir}: taken over by {holders}. This '
            'training goes on, and both write the same files: stop one of '
            'them',
            logger='current',
            level=logging.ERROR,
        )


def _number(path: Path) -> int:
    return int(_NAME.fullmatch(path.name)[1])
