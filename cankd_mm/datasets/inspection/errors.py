"""Errors of data sets, and what a file that cannot be read is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_STARTS = (
    (b'version https://git-lfs', 'a Git LFS pointer, not the file itself'),
    (b'\x1f\x8b', 'gzip-compressed'),
    (b'PK\x03\x04', 'a zip archive'),
    (b'\x80\x02', 'a pickle'),
    (b'\x80\x04', 'a pickle'),
)


class DataSetError(ValueError):
    """What is wrong with a data set: key, file, found, expected, remedy."""


class DataFileNotFound(FileNotFoundError, DataSetError):
    """A file of a data set that is not there."""


def unusual_content(path: str | os.PathLike) -> str:
    """Describe a file that is not what its name promises.

    Args:
        path: A local file.

    Returns:
        What it is, as the end of a sentence; '' where it looks ordinary or
        is not a local file.
    """
    path = Path(path)
    if not path.is_file():
        return ''
    with path.open('rb') as file:
        start = file.read(512)
    if not start:
        return 'an empty file (0 bytes)'
    for signature, meaning in _STARTS:
        if start.startswith(signature):
            return meaning
    text = start.lstrip().lower()
    if text.startswith((b'<!doctype html', b'<html')):
        return 'an HTML page, as a failed download leaves it'
    return ''


def brief(error: BaseException) -> str:
    """Return an exception's type and first line."""
    lines = str(error).strip().splitlines() or ['']
    return f'{type(error).__name__}: {lines[0]}'


@contextmanager
def failure_noted(record: Any) -> Iterator[None]:
    """Note in a record that counting failed, and go on.

    Looking at data must not end a run that would train without it.

    Args:
        record: Its ``not_counted`` gets the reason.
    """
    try:
        yield
    except DataSetError:
        raise
    except Exception as error:
        record.not_counted = f'counting them failed ({brief(error)})'
