"""VOC's annotations: one XML file an image."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cankd_mm.datasets.inspection.errors import (
    DataFileNotFound,
    DataSetError,
    brief,
    failure_noted,
    unusual_content,
)
from cankd_mm.datasets.inspection.record import LoadingRecord

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')


def voc_wrappers(
    dataset: Any, record: LoadingRecord, training: bool
) -> dict[str, Callable]:
    """Return wrappers of the methods with which an ``XMLDataset`` loads.

    Args:
        dataset: The data set.
        record: Takes the counts.
        training: Whether boxes are counted.
    """
    if training:
        record.source = Counter()

    def count(tree, boxes):
        if tree.getroot().tag != 'annotation':
            raise DataSetError('this is no annotation')
        names = [box.findtext('name') for box in tree.findall('object')]
        record.source.update(map(str, names))
        if len(boxes) < len(names):
            record.dropped['name not in classes'] += len(names) - len(boxes)

    def parse(original):
        def parse_image(raw, *args, **kwargs):
            try:
                return original(raw, *args, **kwargs)
            except Exception as error:
                raise _located(raw, record, error) from error

        return parse_image

    def parse_boxes(original):
        def parse_tree(tree, *args, **kwargs):
            boxes = original(tree, *args, **kwargs)
            if training:
                with failure_noted(record):
                    count(tree, boxes)
            return boxes

        return parse_tree

    return dict(parse_data_info=parse, _parse_instance_info=parse_boxes)


def voc_fault(path: str) -> str:
    """Describe why a file cannot be loaded as VOC's annotations.

    Called after a failure, so it may read the file again.

    Returns:
        What was found and what is expected; '' where it is in order.
    """
    expected = "expected VOC's <annotation> in XML"
    unusual = unusual_content(path)
    if unusual:
        return f'this is {unusual}; {expected}'
    try:
        tree = ET.parse(path)
    except ET.ParseError as error:
        return f'this is no XML, or only a part of it ({error}); {expected}'
    if tree.getroot().tag != 'annotation':
        return f'this is XML of a <{tree.getroot().tag}>; {expected}'
    size = tree.find('size')
    if size is not None:
        for side in ('width', 'height'):
            if not _is_number(size.findtext(side)):
                return (
                    f'<size> has <{side}> {size.findtext(side)!r}, expected a '
                    'number of pixels'
                )
    for number, box in enumerate(tree.findall('object'), 1):
        fault = _box_fault(box)
        if fault:
            return f'<object> {number} ({box.findtext("name")!r}) {fault}'
    return ''


def _box_fault(box: ET.Element) -> str:
    if not box.findtext('name'):
        return 'has no <name>'
    sides = box.find('bndbox')
    if sides is None:
        return 'has no <bndbox>; expected one with ' + ', '.join(_SIDES)
    for side in _SIDES:
        if not _is_number(sides.findtext(side)):
            return (
                f'has <{side}> {sides.findtext(side)!r}, expected a finite '
                'number'
            )
    return ''


def _is_number(text: str | None) -> bool:
    try:
        int(float(text))
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _located(
    raw: dict, record: LoadingRecord, error: Exception
) -> DataSetError:
    path = raw.get('xml_path', '')
    key = f'{record.key}: {path}'
    if not Path(path).is_file():
        return DataFileNotFound(
            f'{key}: there is no such file, but {record.file} lists '
            f'{raw.get("img_id")!r}. Remove the line or add the file'
        )
    fault = voc_fault(path) or f'it cannot be loaded ({brief(error)})'
    return DataSetError(
        f'{key}: {fault}. Mend the file, or remove it from {record.file}'
    )
