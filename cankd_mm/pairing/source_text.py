"""Writes values as the Python text of a config, with comments."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WIDTH = 79
_INDENT = '    '
_NAME = re.compile(r'[A-Za-z_]\w*')


@dataclass(frozen=True)
class Noted:
    """A value, and the comment that stands beside it."""

    value: Any
    comment: str


@dataclass(frozen=True)
class Code:
    """Python text that is written as it is."""

    text: str


def assignment(name: str, value: Any) -> str:
    """Return the lines of ``name = value``.

    Args:
        name: A name at the top of a config.
        value: Numbers, texts, and dicts, lists and tuples of them;
            :class:`Noted` and :class:`Code` anywhere inside.
    """
    return '\n'.join(_lines(f'{name} = ', value, '', ''))


def _lines(start: str, value: Any, end: str, indent: str) -> Iterator[str]:
    """Yield the lines of a value between what stands before and after it."""
    comment = ''
    if isinstance(value, Noted):
        value, comment = value.value, value.comment
    short = f'{indent}{start}{_one_line(value)}{end}'
    if not _has_notes(value) and len(short) <= WIDTH:
        if comment and len(f'{short}  # {comment}') <= WIDTH:
            yield f'{short}  # {comment}'
        else:
            yield from _comment(comment, indent)
            yield short
        return
    yield from _comment(comment, indent)
    if not isinstance(value, Mapping | list | tuple):
        yield short  # a long text
        return
    opening, closing, items = _parts(value)
    yield f'{indent}{start}{opening}'
    for before, item in items:
        yield from _lines(before, item, ',', indent + _INDENT)
    yield f'{indent}{closing}{end}'


def _comment(comment: str, indent: str) -> Iterator[str]:
    if comment:
        yield f'{indent}# {comment}'


def _parts(value: Any) -> tuple[str, str, list[tuple[str, Any]]]:
    if not isinstance(value, Mapping):
        marks = '[]' if isinstance(value, list) else '()'
        return *marks, [('', item) for item in value]
    if all(_NAME.fullmatch(key) for key in value):
        return 'dict(', ')', [(f'{key}=', v) for key, v in value.items()]
    return '{', '}', [(f'{key!r}: ', v) for key, v in value.items()]


def _one_line(value: Any) -> str:
    if isinstance(value, Code):
        return value.text
    if not isinstance(value, Mapping | list | tuple):
        return repr(value)
    if _has_notes(value):
        return ''
    opening, closing, items = _parts(value)
    text = ', '.join(f'{before}{_one_line(item)}' for before, item in items)
    if isinstance(value, tuple) and len(value) == 1:
        text += ','
    return f'{opening}{text}{closing}'


def _has_notes(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return any(isinstance(v, Noted) or _has_notes(v) for v in value)
    return False
