"""Reads the clock that gives files their times."""

import os
import tempfile
from pathlib import Path


def file_system_time(folder: str | Path) -> int:
    """Return the time that a new file in a folder gets, in nanoseconds.

    It is the server's on NFS, and that of this host on file systems whose
    clients set the times (Lustre, GPFS, SMB, FUSE).

    Args:
        folder: Must be writable.
    """
    # Without a name where the system can do that. Elsewhere a process that is
    # killed within these lines leaves an empty file, whose name makes it one
    # of the old unfinished files that a training removes when it starts.
    with tempfile.TemporaryFile(
        prefix='.training_time.', suffix='.unfinished', dir=folder
    ) as file:
        return os.fstat(file.fileno()).st_mtime_ns
