"""Builds numpy's numbers and arrays from a checkpoint, and nothing else.

numpy's own classes do more than a file may: ``numpy.ndarray(shape, dtype)``
returns memory as it is, and an array of objects, or a type whose state was
changed to one, takes the bytes of a file for pointers. A file therefore gets
these stand-ins, which build arrays of numbers and text from as many bytes as
they need.
"""

import pickle
import re
from typing import Any

import numpy as np

# Truth values, integers, floats, complex numbers, bytes, text, time.
_CODE = re.compile(r'[?biufcSUMm]\d{0,6}|[BHILQlqhefdgFDG]')
_BYTE_ORDERS = ('<', '>', '|', '=')


def _refuse(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f'Unsupported global: GLOBAL {what}')


class DtypeOfFile:
    """Stands in for ``numpy.dtype``: the type of numbers or text.

    Args:
        code: As numpy writes it: 'f8', 'U12'.
        align: Not used.
        copy: Not used.
    """

    def __init__(self, code: str, align: Any = 0, copy: Any = 1) -> None:
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise _refuse(f'numpy.dtype({code!r:.40})')
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        """Take the byte order; a type of fields or parts is refused."""
        if (
            not isinstance(state, tuple)
            or len(state) < 5
            or state[1] not in _BYTE_ORDERS
            or any(part is not None for part in state[2:5])
        ):
            raise _refuse(f'numpy.dtype with the state {state!r:.60}')
        if self.dtype.itemsize > 1 and state[1] in '<>':
            self.dtype = self.dtype.newbyteorder(state[1])
        if self.dtype.kind in 'Mm' and len(state) > 8:
            unit, count = state[8][1][:2]
            unit = unit.decode() if isinstance(unit, bytes) else unit
            self.dtype = np.dtype(f'{self.dtype.str}[{int(count)}{unit}]')


class ArrayOfFile(np.ndarray):
    """An array that a file has built; saved and copied as a plain one."""

    def __setstate__(self, state: tuple) -> None:
        """Take shape, type and bytes."""
        version, shape, spec, is_fortran, content = state
        if not isinstance(spec, DtypeOfFile) or not isinstance(content, bytes):
            raise _refuse('numpy.ndarray of other values than its bytes')
        super().__setstate__((version, shape, spec.dtype, is_fortran, content))

    def __reduce_ex__(self, protocol: int):
        """Pickle as a plain array."""
        return self.view(np.ndarray).__reduce_ex__(protocol)

    def __reduce__(self):
        """Pickle as a plain array."""
        return self.view(np.ndarray).__reduce__()


class _ArrayName:
    """Stands in for ``numpy.ndarray``, which a file may name only."""

    def __call__(self, *args, **kwargs):
        raise _refuse('numpy.ndarray called')


ARRAY_NAME = _ArrayName()


def reconstruct(kind: Any, shape: Any, code: Any) -> ArrayOfFile:
    """Stands in for numpy's ``_reconstruct``: an empty array to fill."""
    if kind is not ARRAY_NAME or tuple(shape) != (0,) or code != b'b':
        raise _refuse('numpy._reconstruct of something else than an array')
    return np.ndarray.__new__(ArrayOfFile, (0,), 'b')


def scalar(spec: Any, content: Any = b'') -> np.generic:
    """Stands in for numpy's ``scalar``: a number from its bytes."""
    if (
        not isinstance(spec, DtypeOfFile)
        or not isinstance(content, bytes)
        or len(content) != spec.dtype.itemsize
    ):
        raise _refuse('numpy.scalar of something else than its bytes')
    if not spec.dtype.itemsize:
        return spec.dtype.type()
    return np.frombuffer(content, spec.dtype)[0]
