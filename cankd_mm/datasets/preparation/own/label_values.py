"""Reads label maps, and decides which class each value is."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from cankd_mm.datasets.preparation.conversion import run_in_processes
from cankd_mm.datasets.preparation.own.faults import CannotPrepareError
from cankd_mm.datasets.preparation.own.images import decode_image

#: Value of the pixels that mmseg ignores.
IGNORED = 255
#: A gray value times this is its color as 0xRRGGBB.
GRAY = 0x010101
#: Different colors or values of a file that are counted.
_COUNTED = 1000


@dataclass(frozen=True)
class MaskFacts:
    """What a label map holds.

    Attributes:
        size: Width and height.
        values: How many pixels have each value, or each color as 0xRRGGBB.
        is_color: Whether it holds colors.
        is_plain: Whether mmseg reads these values: 8 bits, one channel, PNG.
        is_jpeg: Whether the values were changed by compression.
        error: Why it cannot be read; '' where it can.
    """

    size: tuple[int, int] = (0, 0)
    values: dict[int, int] = field(default_factory=dict)
    is_color: bool = False
    is_plain: bool = False
    is_jpeg: bool = False
    error: str = ''


def examine_masks(
    root: Path, names: Collection[str], workers: int
) -> dict[str, MaskFacts]:
    """Decode label maps.

    Args:
        root: Folder of the data.
        names: The label maps, relative to it.
        workers: Processes to use.

    Returns:
        What each holds.
    """
    names = sorted(names)
    results = run_in_processes(
        partial(examine_mask, root), names, 'label maps decoded', workers
    )
    return dict(zip(names, results, strict=True))


def examine_mask(root: Path, name: str) -> MaskFacts:
    """Decode a label map.

    Args:
        root: Folder of the data.
        name: The label map, relative to it.

    Returns:
        What it holds, or why it cannot be read.
    """
    try:
        content = (root / name).read_bytes()
        if not content:
            return MaskFacts(error='the file is empty')
        image = decode_image(content)
        if image.format in ('JPEG', 'MPO'):
            return MaskFacts(image.size, is_jpeg=True)
        values, is_color = _values(image)
    except OSError as error:
        return MaskFacts(error=error.strerror or str(error))
    except ValueError as error:
        return MaskFacts(error=str(error))
    found, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind='stable')[:_COUNTED]
    return MaskFacts(
        image.size,
        dict(zip(found[order].tolist(), counts[order].tolist(), strict=True)),
        is_color,
        image.format == 'PNG' and image.mode in ('L', 'P'),
    )


def read_values(path: Path, as_colors: bool = False) -> np.ndarray:
    """Read a label map.

    Args:
        path: The file.
        as_colors: Return grays as colors too.

    Returns:
        Its values, or its colors as 0xRRGGBB.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no label map.

    Shape:
        - output: :math:`(H, W)`
    """
    values, is_color = _values(decode_image(path.read_bytes()))
    if as_colors and not is_color:
        return values.astype(np.int64) * GRAY
    return values


def _values(image: Image.Image) -> tuple[np.ndarray, bool]:
    """Return values, and whether they are colors."""
    pixels = np.asarray(image)
    if pixels.dtype == bool:
        return pixels.astype(np.uint8), False
    if pixels.dtype.kind == 'f':
        if not np.array_equal(pixels, np.rint(pixels)):
            raise ValueError('fractions instead of labels')
        return pixels.astype(np.int64), False
    if pixels.ndim == 2:
        return pixels, False
    if image.mode in ('LA', 'La', 'PA'):
        return pixels[..., 0], False
    if image.mode not in ('RGB', 'RGBA', 'RGBX'):
        raise ValueError(f'mode {image.mode} instead of labels')
    red, green, blue = (pixels[..., n].astype(np.int64) for n in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return pixels[..., 0], False
    return red << 16 | green << 8 | blue, True


@dataclass(frozen=True)
class Labels:
    """Which class each value stands for.

    Attributes:
        table: Class of each value, or ``IGNORED``.
        classes: Names of the classes.
        notes: How it was decided.
    """

    table: dict[int, int]
    classes: tuple[str, ...]
    notes: list[str]

    @property
    def is_identity(self) -> bool:
        """Whether label maps hold the classes as they are."""
        return all(value == label for value, label in self.table.items())


def assign_labels(
    values: Counter, ignore: int | None, names: tuple[str, ...]
) -> Labels:
    """Decide which class each value of gray label maps is.

    Args:
        values: How many pixels have each value.
        ignore: The value that is ignored; -1 for none; None for 255, unless
            there are only 0 and 255.
        names: Names of the classes, if they are known.

    Returns:
        The classes.

    Raises:
        CannotPrepareError: The values do not show it.
    """
    notes = []
    found = set(values)
    if ignore is None and IGNORED in found and found <= {0, IGNORED}:
        notes.append(
            'only 0 and 255 occur: 255 is class 1, and nothing is ignored '
            '(--ignore 255 ignores it)'
        )
        ignore = -1
    ignore = IGNORED if ignore is None else ignore
    labels = sorted(found - {ignore})
    if ignore in found:
        share = values[ignore] / values.total()
        notes.append(f'value {ignore} is ignored: {share:.1%} of all pixels')
    _require_labels(values, labels)
    numbers = _numbers(labels, names)
    moved = {old: new for old, new in numbers.items() if old != new}
    if moved:
        shown = ', '.join(f'{old} -> {new}' for old, new in moved.items())
        notes.append(f'values become numbers of classes: {shown}')
    count = len(names) or max(numbers.values()) + 1
    if not names:
        names = tuple(f'class_{number}' for number in range(count))
        notes.append(
            'no file names the classes: name them with --classes a,b,c or in '
            'classes.txt, one a line'
        )
    table = numbers | ({ignore: IGNORED} if ignore >= 0 else {})
    return Labels(table, names, notes)


def _require_labels(values: Counter, labels: list[int]) -> None:
    if not labels or labels[0] < 0:
        raise CannotPrepareError(
            f'label maps hold the values {sorted(values)[:8]} only',
            'name the value that is ignored with --ignore VALUE; -1 for none',
        )
    if len(labels) == 1 and values[labels[0]] == values.total():
        raise CannotPrepareError(
            f'all pixels of all label maps are {labels[0]}',
            'there is nothing to learn: see whether the label maps were '
            'exported as numbers of classes',
        )
    ends = values[0] + values[IGNORED]
    between = [value for value in labels if value not in (0, IGNORED)]
    is_scattered = between != list(range(1, len(between) + 1))
    is_soft = is_scattered and len(between) > 8 and ends > 0.8 * values.total()
    if is_soft or len(labels) >= IGNORED:
        raise CannotPrepareError(
            f'label maps hold {len(labels)} values, such as {labels[:8]}: '
            'edges were blurred, or they are no label maps',
            'save them again with one value for each class: without scaling '
            'that interpolates, smoothing or lossy compression',
        )


def _numbers(labels: list[int], names: tuple[str, ...]) -> dict[int, int]:
    """Return the number of the class of each value."""
    if not names:
        return {value: number for number, value in enumerate(labels)}
    if labels[-1] < len(names):
        return {value: value for value in labels}
    if len(labels) == len(names):
        return {value: number for number, value in enumerate(labels)}
    if labels[0] > 0 and labels[-1] == len(names):
        return {value: value - 1 for value in labels}
    raise CannotPrepareError(
        f'label maps hold the values {labels[:12]}, and {len(names)} classes '
        f'are named: {", ".join(names[:12])}',
        'name a class for each value in order, with --classes a,b,c, or name '
        'the value that is ignored, with --ignore VALUE',
    )
