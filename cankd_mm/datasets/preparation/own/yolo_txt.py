"""Reads labels in YOLO's format: a text file for each image.

A line has the number of a class, and the center, width and height of a box as
fractions of the image; or the corners of a polygon instead.
"""

import math

from cankd_mm.datasets.preparation.own.faults import Faults, Kind, counted
from cankd_mm.datasets.preparation.own.labels import (
    ImageLabels,
    LabeledObject,
    LabelFiles,
    images_of_broken,
)
from cankd_mm.datasets.preparation.own.match import (
    ImageIndex,
    Label,
    match_labels,
)
from cankd_mm.datasets.preparation.own.scan import Contents
from cankd_mm.datasets.preparation.own.text import read_lines
from cankd_mm.datasets.preparation.own.yolo_names import (
    YoloNames,
    is_name_file,
    read_names,
)

BROKEN_LINE = Kind(
    'line',
    'that is no object in YOLO format',
    'write CLASS X Y WIDTH HEIGHT, or CLASS X1 Y1 X2 Y2 X3 Y3 ..., with '
    'fractions of the image, or remove the line',
    left_out=True,
)
UNKNOWN_CLASS = Kind(
    'line',
    'with the number of a class that has no name',
    'name the class in the file with the class names; numbers begin with 0',
    left_out=True,
)
#: Fractions above it are no rounding errors. They are pixels, most often.
_LARGEST = 1.05


def read_yolo(
    contents: Contents, index: ImageIndex, faults: Faults
) -> LabelFiles:
    """Read all text files in YOLO's format.

    Args:
        contents: The files of the data.
        index: The images.
        faults: Where what cannot be used is added.

    Returns:
        The labels; classes are in the order of their numbers.
    """
    names = read_names(contents, index, faults)
    lines, broken = {}, {}
    for name in contents.of('.txt'):
        if is_name_file(name) or name in names.files:
            continue
        try:
            found = read_lines(contents.root / name)
        except OSError as error:
            broken[name] = error.strerror or str(error)
            continue
        # Other texts lie beside photos too. A label file may have no lines.
        if all(not line for line in found) or any(map(_numbers, found)):
            lines[name] = found
    # Of files without lines, only those that lie beside an image are labels.
    files = [
        Label(name)
        for name in (*lines, *broken)
        if any(lines.get(name, ())) or index.find(name[:-4], name)
    ]
    own = Faults()
    matched, doubles = match_labels(files, index, own)
    labels = {
        image: _read(lines[name], name, names, own)
        for image, name in matched.items()
        if name in lines
    }
    unread = images_of_broken(matched, broken, own)
    # Without labels the faults would be those of other people's texts.
    if any(item.objects for item in labels.values()):
        faults.update(own)
    else:
        labels = {}
    return LabelFiles(
        title='YOLO txt',
        labels=labels,
        classes=names.classes or _numbered(labels),
        found_by=counted(len(labels), 'txt file')
        + ' named as an image'
        + (f'; classes: {names.source}' if names.source else ''),
        splits=names.splits,
        splits_from=names.source,
        reported=doubles | unread,
        notes=[] if names.source or not labels else [_HOW_TO_NAME],
        problems=[
            (
                f'{names.source} and {", ".join(names.conflicts)} name other '
                'classes: the numbers in the labels have several meanings',
                'prepare the data of each file by themselves, or remove the '
                'files that do not count',
            )
        ]
        if names.conflicts
        else [],
    )


_HOW_TO_NAME = (
    'no file names the classes: write their names into classes.txt, one a '
    'line in the order of their numbers, and run this command again'
)


def _numbered(labels: dict[str, ImageLabels]) -> list[str]:
    kinds = {item.kind for found in labels.values() for item in found.objects}
    return sorted(kinds, key=lambda kind: int(kind.removeprefix('class_')))


def _numbers(line: str) -> list[float]:
    """Return the numbers of a line that may be an object; else nothing."""
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        return []
    return numbers if len(numbers) >= 5 else []


def _read(
    lines: list[str], name: str, names: YoloNames, faults: Faults
) -> ImageLabels:
    labels = ImageLabels(name)
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        where = f'{name}:{number}'
        try:
            labels.objects.append(_object(line, where, names))
        except LookupError as error:
            faults.add(UNKNOWN_CLASS, f'{where} ({error.args[0]})')
        except ValueError as error:
            faults.add(BROKEN_LINE, f'{where} ({error})')
    return labels


def _object(line: str, where: str, names: YoloNames) -> LabeledObject:
    """Return the object of a line.

    Raises:
        ValueError: It is none.
        LookupError: It is of an unknown class.
    """
    words = line.split()
    try:
        first, *numbers = map(float, words)
    except ValueError:
        raise ValueError('not all are numbers') from None
    if not all(map(math.isfinite, (first, *numbers))):
        raise ValueError('NaN or infinite')
    if first < 0 or first != int(first):
        raise ValueError(f'class {words[0]}')
    if names.columns and len(words) >= names.columns:
        numbers = numbers[:4]
    # A detection has its confidence at the end.
    if len(numbers) == 5:
        numbers = numbers[:4]
    if len(numbers) < 4 or len(numbers) % 2:
        raise ValueError(f'{len(words)} columns')
    low, high = min(numbers), max(numbers)
    if low < 1 - _LARGEST or high > _LARGEST:
        raise ValueError(
            f'{low if high <= _LARGEST else high:g} is no fraction'
            + (': pixels?' if high > _LARGEST else '')
        )
    if len(numbers) == 4:
        x, y, width, height = numbers
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        mask = None
    else:
        across, down = numbers[::2], numbers[1::2]
        box = (min(across), min(down), max(across), max(down))
        mask = [numbers]
    return LabeledObject(
        _kind(int(first), names), box, where, mask, is_fraction=True
    )


def _kind(number: int, names: YoloNames) -> str:
    if not names.classes:
        return f'class_{number}'
    if number >= len(names.classes):
        raise LookupError(
            f'class {number}; {names.source} has {len(names.classes)}'
        )
    return names.classes[number]
