"""Makes COCO annotations of labeled objects, and mends their boxes."""

import math
from typing import Any

from cankd_mm.datasets.preparation.own.coco_mask import mask_area
from cankd_mm.datasets.preparation.own.faults import Faults, Kind
from cankd_mm.datasets.preparation.own.labels import LabeledObject

NOT_FINITE = Kind(
    'object',
    'with NaN or infinity as a coordinate',
    'draw the box again',
    left_out=True,
)
SWAPPED = Kind(
    'object',
    'whose right is left of its left, or bottom above its top; swapped',
    'nothing, if the boxes are right that way',
)
OUTSIDE = Kind(
    'object',
    'outside of the image',
    'draw the box again; see whether the label belongs to the image',
    left_out=True,
)
CLIPPED = Kind(
    'object',
    'that reaches out of the image; cut at its edge',
    'nothing, if it is a few pixels; else see whether the label belongs to '
    'the image',
)
# mmdet's CocoDataset leaves these out silently.
TOO_SMALL = Kind(
    'object',
    'less than one pixel wide or high',
    'draw the box again, or remove it',
    left_out=True,
)
OTHER_SIZE = Kind(
    'object',
    'with a mask for an image of another size; its box is kept',
    'export the masks for the images as they are now',
)
#: What conversions between formats make of an edge; not worth a remark.
_ROUNDING = 1.001


def to_annotation(
    item: LabeledObject, width: int, height: int, faults: Faults
) -> dict[str, Any] | None:
    """Make a COCO annotation of an object, without ids.

    Args:
        item: The object.
        width: Width of the image as the pipeline reads it.
        height: Its height.
        faults: Where what is wrong with the object is added.

    Returns:
        None for an object that cannot be used.
    """
    box, mask = item.box, item.mask
    if not all(map(math.isfinite, box)):
        faults.add(NOT_FINITE, item.where)
        return None
    if item.is_fraction:
        box = _scaled(box, width, height)
        mask = mask and [_scaled(part, width, height) for part in mask]
    left, top, right, bottom = box
    if left > right or top > bottom:
        faults.add(SWAPPED, item.where)
        left, right = sorted((left, right))
        top, bottom = sorted((top, bottom))
    shown = f'{item.where} ({left:g}, {top:g}, {right:g}, {bottom:g})'
    cut = (
        max(left, 0),
        max(top, 0),
        min(right, width),
        min(bottom, height),
    )
    if right - left < 1 or bottom - top < 1:
        faults.add(TOO_SMALL, shown)
        return None
    if cut[2] - cut[0] < 1 or cut[3] - cut[1] < 1:
        faults.add(OUTSIDE, f'{shown} of {width}x{height}')
        return None
    moved = max(
        abs(old - new)
        for old, new in zip((left, top, right, bottom), cut, strict=True)
    )
    if moved > _ROUNDING:
        faults.add(CLIPPED, f'{shown} of {width}x{height}')
    if isinstance(mask, dict) and mask['size'] != [height, width]:
        faults.add(OTHER_SIZE, item.where)
        mask = None
    return _annotation(item, cut, mask, width, height)


def _annotation(
    item: LabeledObject,
    box: tuple[float, ...],
    mask: list | dict | None,
    width: int,
    height: int,
) -> dict[str, Any]:
    left, top, right, bottom = box
    size = right - left, bottom - top
    area = mask_area(mask, width, height) if mask else 0
    annotation = dict(
        bbox=[_short(number) for number in (left, top, *size)],
        # Thin masks cover no pixel; mmdet leaves out objects without area.
        area=_short(area or size[0] * size[1]),
        iscrowd=int(item.is_crowd),
    )
    if mask:
        annotation['segmentation'] = (
            mask
            if isinstance(mask, dict)
            else [[_short(number) for number in part] for part in mask]
        )
    return annotation


def _scaled(
    numbers: tuple[float, ...] | list[float], width: int, height: int
) -> list[float]:
    return [
        number * (height if position % 2 else width)
        for position, number in enumerate(numbers)
    ]


def _short(number: float) -> float | int:
    """Round to a hundredth of a pixel; whole numbers without a point."""
    number = round(float(number), 2)
    return int(number) if number.is_integer() else number
