"""Writes files that appear whole or not at all.

A file is written under a temporary name in its own folder, flushed to the
disk, and renamed. Whatever ends the process on the way, the final name holds
either the whole new file or what was there before.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch

# `.<name>.<random>.unfinished`; releases up to 0.1 wrote
# `.<name>_student.pth.<process>`.
_SUFFIX = '.unfinished'
_LEFTOVER = re.compile(
    rf'\..+\.\w+{re.escape(_SUFFIX)}|\..+_student\.pth\.\d+'
)
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces ``path`` once it is whole.

    Args:
        path: The final name. Its folder is made where it is missing; of a
            link, the file that it leads to is replaced.

    Yields:
        A binary file. Closing it is left to this function.

    Raises:
        OSError: The file cannot be written. The message names it and, where
            there is no room for it, the free space; an earlier file under
            the same name is untouched.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() or path.is_dir()):
        # A device or a pipe: there is nothing to replace.
        with open(path, 'wb') as file:
            yield file
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = _open_unfinished(path)
    except OSError as error:
        raise _named(error, path) from error
    try:
        with os.fdopen(descriptor, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException as error:
        # First, so that its space counts as free.
        unfinished.unlink(missing_ok=True)
        cause = _failed_write(error)
        if cause is None:
            raise
        raise _named(cause, path) from error
    flush_folder(path.parent)


def save_whole(content: Any, path: str | Path) -> None:
    """Write what ``torch.save`` writes, whole or not at all.

    Args:
        content: Anything that ``torch.save`` takes.
        path: The final name.

    Raises:
        OSError: As :func:`whole_file`.
    """
    with whole_file(path) as file:
        torch.save(content, file)


def write_text_whole(text: str, path: str | Path) -> None:
    """Write a text file, whole or not at all.

    Args:
        text: What the file holds.
        path: The final name.

    Raises:
        OSError: As :func:`whole_file`.
    """
    with whole_file(path) as file:
        file.write(text.encode('utf-8'))


def leftovers(folder: str | Path) -> list[Path]:
    """Return the unfinished files that killed processes left in a folder.

    Args:
        folder: Where :func:`whole_file` wrote. It need not exist. No file in
            it may be under way, or that one is returned too.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if _LEFTOVER.fullmatch(path.name)
    )


def final_name(leftover: Path) -> str:
    """Return the name that an unfinished file would have got.

    Args:
        leftover: One of :func:`leftovers`.
    """
    name = leftover.name.removesuffix(_SUFFIX)
    return name[1:].rpartition('.')[0]


def flush_folder(folder: Path) -> None:
    """Make renames and removals in a folder last through a power failure."""
    # Not every system and file system can open or flush a folder.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open_unfinished(path: Path) -> tuple[int, Path]:
    """Make the temporary file, with the permissions of an ordinary one."""
    unfinished = path.with_name(
        f'.{path.name}.{secrets.token_hex(4)}{_SUFFIX}'
    )
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_BINARY', 0)
    return os.open(unfinished, flags, 0o666), unfinished


def _failed_write(error: BaseException) -> OSError | None:
    """The system's error where that is what kept a file from being whole."""
    if isinstance(error, OSError):
        return error
    if isinstance(error, RuntimeError) and 'inline_container' in str(error):
        # torch reports a failed write in its own words.
        if isinstance(error.__context__, OSError):
            return error.__context__
        return OSError(errno.EIO, str(error).splitlines()[0])
    return None


def _named(error: OSError, path: Path) -> OSError:
    reason = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        try:
            free = f'{shutil.disk_usage(path.parent).free / 1e6:,.1f} MB'
        except OSError:
            free = 'an unknown amount of space'
        limit = (
            " and the limit of a file's size (ulimit -f)"
            if error.errno == errno.EFBIG
            else ''
        )
        reason += (
            f'; {free} is free on its disk. Make room{limit}, or choose '
            'another folder (--work-dir for a training run)'
        )
    return type(error)(error.errno, f'{path} was not written: {reason}')
