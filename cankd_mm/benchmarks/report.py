"""Prints tables and writes them as json.

A file holds ``command``, ``hardware``, ``settings`` and ``rows``, a list of
flat objects; a figure that was not measured is null.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Column = tuple[str, str, Callable[[object], str] | str]


def table(rows: Iterable[Mapping], columns: Iterable[Column]) -> str:
    """An aligned table in Markdown, figures to the right.

    Args:
        rows: What is in it.
        columns: Key of a row, title, and how a value is written: a format
            such as '.1f', or a function.
    """
    columns = list(columns)
    cells = [[title for _, title, _ in columns]]
    cells += [
        [_text(row[key], form) for key, _, form in columns] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [form == 's' for *_, form in columns]
    lines = [
        ' | '.join(
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(line, widths, left, strict=True)
        )
        for line in cells
    ]
    rule = ' | '.join(
        '-' * width if is_left else '-' * (width - 1) + ':'
        for width, is_left in zip(widths, left, strict=True)
    )
    return '\n'.join(f'| {line} |' for line in [lines[0], rule, *lines[1:]])


def _text(value: object, form: Callable[[object], str] | str) -> str:
    if value is None:
        return '-'
    return form(value) if callable(form) else format(value, form)


def times(value: float) -> str:
    """A ratio, such as 8.47x."""
    return f'{value:.2f}x'


def write(
    path: Path | None,
    command: str,
    hardware: Mapping,
    settings: Mapping,
    rows: list[Mapping],
) -> None:
    """Writes a benchmark's figures, if a file is named."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dict(
        command=command, hardware=hardware, settings=settings, rows=rows
    )
    path.write_text(json.dumps(content, indent=2) + '\n')
