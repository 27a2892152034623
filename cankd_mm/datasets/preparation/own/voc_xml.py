"""Reads labels in Pascal VOC's format: an xml file for each image.

As mmdet's ``VOCDataset`` does, 1 is subtracted from all coordinates, which
count from 1, and a `difficult` object is ignored in training and evaluation:
it is written with ``iscrowd=1``, which makes mmdet's ``CocoDataset`` set the
``ignore_flag`` that ``VOCDataset`` sets.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

from cankd_mm.datasets.preparation.own.faults import Faults, counted
from cankd_mm.datasets.preparation.own.labels import (
    BROKEN_OBJECT,
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

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')


class _TreeBuilder(ET.TreeBuilder):
    """Builds a tree of a file without a document type.

    Entities, which can make a small file expand to gigabytes, can be defined
    nowhere else. Label programs write none.
    """

    def doctype(self, name: str, *_: object) -> None:
        raise ValueError('it has a DOCTYPE, which label files do not have')


def read_voc(
    contents: Contents, index: ImageIndex, faults: Faults
) -> LabelFiles:
    """Read all xml files in VOC's format.

    Args:
        contents: The files of the data.
        index: The images.
        faults: Where what cannot be used is added.

    Returns:
        The labels; classes are sorted by name.
    """
    roots, broken = {}, {}
    for name in contents.of('.xml'):
        try:
            root = _parse(contents.root / name)
        except (OSError, ValueError, ET.ParseError) as error:
            broken[name] = str(error)
            continue
        if root.tag == 'annotation':
            roots[name] = root
    # Broken files keep their images from being called unlabeled.
    files = [Label(name, _image_name(root)) for name, root in roots.items()]
    files += [Label(name) for name in broken]
    matched, doubles = match_labels(files, index, faults)
    labels = {
        image: _read(roots[name], name, faults)
        for image, name in matched.items()
        if name in roots
    }
    unread = images_of_broken(matched, broken, faults)
    kinds = {item.kind for found in labels.values() for item in found.objects}
    return LabelFiles(
        title='Pascal VOC xml',
        labels=labels,
        classes=sorted(kinds),
        found_by=counted(len(roots), 'xml file') + ' with <annotation>',
        reported=doubles | unread,
    )


def _parse(path: Path) -> ET.Element:
    parser = ET.XMLParser(target=_TreeBuilder())
    parser.feed(path.read_bytes())
    return parser.close()


def _image_name(root: ET.Element) -> str:
    for tag in ('filename', 'path'):
        if text := (root.findtext(tag) or '').strip():
            return text
    return ''


def _read(root: ET.Element, name: str, faults: Faults) -> ImageLabels:
    labels = ImageLabels(name, size=_size(root))
    for number, item in enumerate(root.iterfind('object'), 1):
        where = f'{name} object {number}'
        try:
            labels.objects.append(_object(item, where))
        except ValueError as error:
            faults.add(BROKEN_OBJECT, f'{where} ({error})')
    return labels


def _object(item: ET.Element, where: str) -> LabeledObject:
    kind = (item.findtext('name') or '').strip()
    if not kind:
        raise ValueError('no name')
    box = item.find('bndbox')
    if box is None:
        raise ValueError('no bndbox')
    texts = [box.findtext(side) for side in _SIDES]
    if None in texts:
        raise ValueError(f'no {_SIDES[texts.index(None)]}')
    left, top, right, bottom = (float(text) - 1 for text in texts)
    difficult = (item.findtext('difficult') or '0').strip().lower()
    return LabeledObject(
        kind,
        (left, top, right, bottom),
        where,
        is_crowd=difficult in ('1', 'true'),
    )


def _size(root: ET.Element) -> tuple[int, int] | None:
    """Return the size; programs that do not know it write 0 or nothing."""
    try:
        width = int(float(root.findtext('size/width')))
        height = int(float(root.findtext('size/height')))
    except (OverflowError, TypeError, ValueError):
        return None
    return (width, height) if width > 0 and height > 0 else None
