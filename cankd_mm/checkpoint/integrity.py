"""Finds checkpoints that are damaged, before their weights are used.

``torch.save`` writes a checksum (CRC-32) of every record of a checkpoint, and
``torch.load`` ignores it: a file with flipped bytes loads, and trains. Reading
a file once more for its checksums takes about as long as reading it: 2.5 GB/s
on one core, a tenth of a second for the weights of a ResNet-101 detector.
"""

import contextlib
import functools
import os
import pickletools
import re
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import IO

from cankd_mm.checkpoint.file_kind import (
    UnreadableCheckpointError,
    is_archive,
    is_old_checkpoint,
    require_checkpoint_file,
)

_CUT_OFF = 'a truncated or damaged checkpoint'
# Torch before 1.6 wrote a magic number, a version, the kind of machine, the
# content, and the order of the tensors, which follow.
_OLD_PICKLES = 5
_CHUNK = 1 << 20
_MOST_NAMED = 3
_REMEDY = (
    'Copy or download the file again, or take another checkpoint; compare '
    'its checksum to that of the original (sha256sum)'
)
# A file that is this young may change again without a newer time stamp.
_SETTLED_SECONDS = 2
_being_read: ContextVar[str | None] = ContextVar('being_read', default=None)


def require_undamaged(path: str | os.PathLike, key: str) -> None:
    """Raise if a local file is no checkpoint, or a damaged one.

    The checksums of a file that has not changed since are not computed again
    in this process. Files that torch before 1.6 wrote have none, nor those
    written under ``torch.serialization.set_crc32_options(False)``: they pass.

    Args:
        path: Of something that exists.
        key: The config key or option it stands under, for the message.

    Raises:
        UnreadableCheckpointError: The file is something else, truncated, or
            its checksums do not fit.
    """
    require_checkpoint_file(path, key)
    if _is_cut_off(path):
        raise UnreadableCheckpointError(path, key, _CUT_OFF, _REMEDY)
    status = os.stat(path)
    identity = (status.st_ino, status.st_size, status.st_mtime_ns)
    settled = abs(time.time() - status.st_mtime) > _SETTLED_SECONDS
    find = _damaged_records if settled else _damaged_records.__wrapped__
    damaged = find(os.path.realpath(path), identity)
    if damaged:
        more = len(damaged) - _MOST_NAMED
        names = ', '.join(damaged[:_MOST_NAMED])
        raise UnreadableCheckpointError(
            path,
            key,
            f'a damaged checkpoint: {len(damaged)} of its records (tensors '
            f'and their names) differ from their checksums: {names}'
            + (f' and {more} more' if more > 0 else ''),
            _REMEDY,
        )


@contextlib.contextmanager
def reading(path: str | os.PathLike | IO, key: str) -> Iterator[None]:
    """Name key and file where reading a local checkpoint fails.

    Inside of another context for the same file it does nothing: that one has
    looked at the file, and names the key that a user knows.

    Args:
        path: Of something that exists. An open file is read as it is.
        key: The config key or option it stands under.

    Raises:
        UnreadableCheckpointError: The file is no checkpoint, damaged, or
            torch fails to read it.
    """
    if not isinstance(path, str | os.PathLike):
        yield
        return
    file = os.path.realpath(path)
    if file == _being_read.get():
        yield
        return
    require_undamaged(path, key)
    token = _being_read.set(file)
    try:
        yield
    except (UnreadableCheckpointError, OSError):
        raise
    except Exception as error:
        if not _comes_from_the_file(error):
            raise
        what = (
            _CUT_OFF
            if is_old_checkpoint(_head(path))
            else 'a checkpoint that torch cannot read'
        )
        reason = str(error).strip().partition('\n')[0]
        raise UnreadableCheckpointError(
            path, key, f'{what} ({type(error).__name__}: {reason})', _REMEDY
        ) from error
    finally:
        _being_read.reset(token)


def _is_cut_off(path: str | os.PathLike) -> bool:
    """Whether a file of torch before 1.6 ends within its pickles.

    They are parsed and not executed. Where a cut leaves half a name, torch
    would report a class that is not allowed.
    """
    with open(path, 'rb') as file:
        if not is_old_checkpoint(file.read(64)):
            return False
        file.seek(0)
        try:
            for _ in range(_OLD_PICKLES):
                for _ in pickletools.genops(file):
                    pass
        except (ValueError, EOFError, IndexError):
            return True
    return False


def _head(path: str | os.PathLike) -> bytes:
    with open(path, 'rb') as file:
        return file.read(64)


def _comes_from_the_file(error: Exception) -> bool:
    # Refusals of unsafe content are subclasses of ValueError with a message
    # of their own.
    if isinstance(error, ValueError):
        return type(error) in (ValueError, UnicodeDecodeError)
    return not (
        isinstance(error, MemoryError)
        or re.search('CUDA|alloc|out of memory', str(error))
    )


@functools.lru_cache(maxsize=64)
def _damaged_records(path: str, identity: tuple) -> list[str]:
    """Names of the records whose content does not fit their checksum.

    Args:
        path: Of the file.
        identity: Changes with the file, so that the result is not reused.
    """
    if not is_archive(_head(path)):
        return []
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        if not any(record.CRC for record in records):
            return []  # written without checksums
        return [
            record.filename
            for record in records
            if not _is_whole(archive, record)
        ]


def _is_whole(archive: zipfile.ZipFile, record: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(record) as file:
            while file.read(_CHUNK):
                pass
    # What zipfile raises depends on where the damage is: in the data, in the
    # record's header, or in its method of compression.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
    ):
        return False
    return True
