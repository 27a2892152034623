"""Names and colors of classes, from the files that label programs write."""

import json
import re
from collections import Counter
from pathlib import Path, PurePosixPath

from cankd_mm.datasets.preparation.own.faults import CannotPrepareError
from cankd_mm.datasets.preparation.own.label_values import IGNORED, Labels
from cankd_mm.datasets.preparation.own.scan import Contents, nearest_first
from cankd_mm.datasets.preparation.own.text import decode_text

_FILES = (
    'classes.txt labelmap.txt label_map.txt labels.txt label_names.txt '
    'class_names.txt classnames.txt class_dict.csv label_colors.txt '
    'obj.names names.txt'
)
_NAME_FILES = frozenset(_FILES.split())
#: 'road: 128,64,128', 'road 128 64 128', 'road,128,64,128', CVAT's
#: 'road:128,64,128::'.
_NAME_FIRST = re.compile(r'(.+?)[\s:;,=]+(\d+)[\s,]+(\d+)[\s,]+(\d+)\D*$')
#: CamVid's '128 64 128   road'.
_COLOR_FIRST = re.compile(r'(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s:;,]+(\D.*)$')
#: '0: road', '0 road'.
_NUMBERED = re.compile(r'\d+\s*[:;,.\s]\s*(\D.*)$')

Color = tuple[int, int, int]


def find_name_file(contents: Contents) -> str:
    """Return the file that names the classes; '' where there is none.

    Args:
        contents: The files of the data.
    """
    for name in nearest_first(contents.of('.txt', '.csv', '.names')):
        if PurePosixPath(name).name.lower() in _NAME_FILES:
            return name
    return ''


def read_names_and_colors(
    path: Path,
) -> tuple[tuple[str, ...], dict[str, Color]]:
    """Read class names, and their colors where the file has them.

    Args:
        path: A text file with one class a line, or json with a color for
            each name.

    Returns:
        The names in order, and colors by name.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not of that kind.
    """
    text = decode_text(path.read_bytes())
    if path.suffix.lower() == '.json':
        return _of_json(path, text)
    lines = [line.partition('#')[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    colors = {}
    for line in lines:
        if found := _NAME_FIRST.match(line):
            name, *numbers = found.groups()
        elif found := _COLOR_FIRST.match(line):
            *numbers, name = found.groups()
        else:
            continue
        colors[name.strip()] = _color(path, name, numbers)
    if colors:
        return tuple(colors), colors
    numbered = [_NUMBERED.match(line) for line in lines]
    if lines and all(numbered):
        lines = [found[1] for found in numbered]
    names = tuple(line.strip() for line in lines)
    if len(set(names)) < len(names):
        raise ValueError(f'{path} names a class twice')
    return names, {}


def _of_json(
    path: Path, text: str
) -> tuple[tuple[str, ...], dict[str, Color]]:
    content = json.loads(text)
    if not isinstance(content, dict) or not content:
        raise ValueError(f'{path}: expected {{"name": [red, green, blue]}}')
    colors = {
        name.strip(): _color(path, name, numbers)
        for name, numbers in content.items()
    }
    return tuple(colors), colors


def _color(path: Path, name: str, numbers: list) -> Color:
    try:
        red, green, blue = (int(number) for number in numbers)
    except (TypeError, ValueError):
        red = -1
    if red < 0 or not all(0 <= n <= 255 for n in (red, green, blue)):
        raise ValueError(
            f'{path}: the color of {name} is {numbers}, expected three '
            'numbers from 0 to 255'
        )
    return red, green, blue


def assign_colors(values: Counter, colors: dict[str, Color]) -> Labels:
    """Decide which class each color is.

    Args:
        values: How many pixels have each color, as 0xRRGGBB.
        colors: Color of each class.

    Returns:
        The classes. Colors of no class are ignored.

    Raises:
        CannotPrepareError: No color is known, or none is given.
    """
    packed = {
        red << 16 | green << 8 | blue: number
        for number, (red, green, blue) in enumerate(colors.values())
    }
    unknown = {color: n for color, n in values.items() if color not in packed}
    shown = ', '.join(
        f'{color >> 16},{color >> 8 & 255},{color & 255}'
        for color in sorted(unknown, key=unknown.get, reverse=True)[:8]
    )
    if len(unknown) == len(values):
        raise CannotPrepareError(
            f'label maps hold colors instead of numbers of classes: {shown}',
            'name them with --colors FILE, lines of NAME: RED,GREEN,BLUE in '
            'the order of the classes',
        )
    notes = []
    if unknown:
        share = sum(unknown.values()) / values.total()
        notes.append(
            f'{len(unknown)} colors of no class are ignored, {share:.2%} of '
            f'all pixels: {shown}'
        )
    table = packed | dict.fromkeys(unknown, IGNORED)
    return Labels(table, tuple(colors), notes)
