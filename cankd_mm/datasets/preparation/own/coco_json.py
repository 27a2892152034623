"""Reads labels in COCO's format: one json file, or one for each split."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cankd_mm.datasets.preparation.own.coco_mask import read_mask
from cankd_mm.datasets.preparation.own.faults import Faults, Kind, counted
from cankd_mm.datasets.preparation.own.labels import (
    BROKEN_FILE,
    BROKEN_OBJECT,
    ImageLabels,
    LabeledObject,
    LabelFiles,
)
from cankd_mm.datasets.preparation.own.match import ImageIndex
from cankd_mm.datasets.preparation.own.scan import Contents
from cankd_mm.datasets.preparation.own.split_words import split_of
from cankd_mm.datasets.preparation.own.text import decode_text
from cankd_mm.datasets.preparation.report import some

MISSING_IMAGE = Kind(
    'image',
    'of json files, without a file',
    'add the file, or correct file_name',
    left_out=True,
)
AMBIGUOUS_IMAGE = Kind(
    'image',
    'of json files, with several files of that name',
    'write the folder into file_name',
    left_out=True,
)
REPEATED_IMAGE = Kind(
    'image',
    'that is in json files more than once; the first time counts',
    'remove the others from the json file',
)
REPEATED_IMAGE_ID = Kind(
    'image',
    'with the id of another image of its json file',
    'give each image an id of its own: objects are assigned by it',
    left_out=True,
)
REPEATED_ID = Kind(
    'object',
    'with the id of another object of its json file; numbered anew',
    'nothing, if they are different objects',
)
UNKNOWN_IMAGE = Kind(
    'object',
    'of an image that the json file does not have',
    'add the image to the json file, or remove the object',
    left_out=True,
)
UNKNOWN_CATEGORY = Kind(
    'object',
    'of a category that the json file does not have',
    'add the category to the json file, or remove the object',
    left_out=True,
)
REPEATED_CATEGORY = Kind(
    'category name',
    'with the id of another category; the first one counts',
    'give each category an id of its own',
)
BROKEN_MASK = Kind(
    'object',
    'whose mask cannot be read; its box is kept',
    'export the masks again, as polygons or run lengths',
)


def read_coco(
    contents: Contents, index: ImageIndex, faults: Faults
) -> LabelFiles:
    """Read all json files in COCO's format.

    Args:
        contents: The files of the data.
        index: The images.
        faults: Where what cannot be used is added.

    Returns:
        The labels; classes are in the order of the files, without categories
        that have no objects.
    """
    files = {}
    for name in contents.of('.json'):
        content = _load(contents, name, faults)
        if content is not None:
            files[name] = content
    # `instances` before `person_keypoints` and `captions` of the same images.
    order = sorted(
        files, key=lambda name: (-len(files[name]['annotations']), name)
    )
    labels: dict[str, ImageLabels] = {}
    splits: dict[str, list[str]] = {}
    unused = []
    for name in order:
        found = _read(files[name], name, index, faults)
        fresh = {n: item for n, item in found.items() if n not in labels}
        split = split_of(name, with_file=True)
        if not fresh:
            # The images of one file for all may be listed in one for a split.
            if split and split not in splits:
                splits[split] = list(found)
            elif found:
                unused.append(name)
            continue
        faults.extend(
            REPEATED_IMAGE, (f'{n} ({name})' for n in found if n in labels)
        )
        labels |= fresh
        if split:
            splits.setdefault(split, []).extend(found)
    classes, empty = _classes(files, order, labels)
    notes = [
        f'{name} names no images beside those of larger json files, and is '
        'not used'
        for name in unused
    ]
    if empty and labels:
        notes.append(f'left out of classes, having no objects: {some(empty)}')
    # A file beside those of the splits belongs to none, or to all.
    used = [name for name in order if name not in unused]
    split_files = [n for n in used if split_of(n, with_file=True)]
    return LabelFiles(
        title='COCO json',
        labels=labels,
        classes=classes,
        found_by=', '.join(used[:3])
        + (f' and {len(used) - 3} more' if len(used) > 3 else ''),
        splits=splits,
        splits_from=counted(len(split_files), 'json file'),
        notes=notes,
    )


def _load(
    contents: Contents, name: str, faults: Faults
) -> dict[str, Any] | None:
    """Return a file's content where it is in COCO's format."""
    try:
        text = decode_text((contents.root / name).read_bytes())
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        faults.add(BROKEN_FILE, f'{name} ({error})')
        return None
    if not isinstance(content, dict):
        return None
    keys = ('images', 'annotations', 'categories')
    if all(isinstance(content.get(key), list) for key in keys):
        return content
    return None


def _read(
    content: dict[str, Any], name: str, index: ImageIndex, faults: Faults
) -> dict[str, ImageLabels]:
    """Return the labels of a file by image."""
    by_id: dict[str, ImageLabels | None] = {}
    labels: dict[str, ImageLabels] = {}
    split = split_of(name, with_file=True)
    for number, item in _dicts(content['images'], name, 'image', faults):
        shown = str(item.get('file_name') or f'{name} image {number}')
        key = _key(item.get('id', number))
        if key in by_id:
            faults.add(REPEATED_IMAGE_ID, f'{shown} (id {key})')
            continue
        by_id[key] = None
        found = index.find(str(item.get('file_name', '')), name, split)
        if not found:
            faults.add(MISSING_IMAGE, f'{shown} ({name})')
        elif len(found) > 1:
            faults.add(AMBIGUOUS_IMAGE, f'{shown} ({", ".join(found[:2])})')
        elif found[0] in labels:
            faults.add(REPEATED_IMAGE, f'{shown} ({name})')
            by_id[key] = labels[found[0]]
        else:
            by_id[key] = ImageLabels(name, size=_size(item))
            labels[found[0]] = by_id[key]
    categories = _category_names(content, name, faults)
    seen = Counter()
    for number, item in _dicts(
        content['annotations'], name, 'annotation', faults
    ):
        where = f'{name} annotation {item.get("id", number)}'
        key = _key(item.get('image_id'))
        kind = categories.get(_key(item.get('category_id')))
        if key not in by_id:
            faults.add(UNKNOWN_IMAGE, f'{where} (image_id {key})')
        elif kind is None:
            unknown = item.get('category_id')
            faults.add(UNKNOWN_CATEGORY, f'{where} (category_id {unknown})')
        elif by_id[key] is not None:
            if seen[_key(item.get('id', f'#{number}'))]:
                faults.add(REPEATED_ID, where)
            seen[_key(item.get('id', f'#{number}'))] += 1
            found = _object(item, kind, where, faults)
            by_id[key].objects += [found] if found else []
    return labels


def _dicts(
    items: list, name: str, what: str, faults: Faults
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, item in enumerate(items, 1):
        if isinstance(item, dict):
            yield number, item
        else:
            faults.add(BROKEN_OBJECT, f'{name} {what} {number}')


def _key(identity: Any) -> str:
    """Return an id for comparison: 7, 7.0 and '7' are the same."""
    if isinstance(identity, float) and identity.is_integer():
        identity = int(identity)
    return str(identity)


def _size(item: dict[str, Any]) -> tuple[int, int] | None:
    try:
        size = int(item['width']), int(item['height'])
    except (KeyError, OverflowError, TypeError, ValueError):
        return None
    return size if min(size) > 0 else None


def _category_names(
    content: dict[str, Any], file: str, faults: Faults
) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, item in _dicts(
        content['categories'], file, 'category', faults
    ):
        key = _key(item.get('id', number))
        name = str(item.get('name') or '').strip() or f'category_{key}'
        if names.setdefault(key, name) != name:
            faults.add(REPEATED_CATEGORY, f'{name} (id {key} in {file})')
    return names


def _object(
    item: dict[str, Any], kind: str, where: str, faults: Faults
) -> LabeledObject | None:
    mask, box = item.get('segmentation') or None, item.get('bbox')
    around = None
    if mask is not None:
        try:
            mask, around = read_mask(mask)
        except ValueError as error:
            faults.add(BROKEN_MASK, f'{where} ({error})')
            mask = None
    try:
        left, top, width, height = map(float, box)
        box = (left, top, left + width, top + height)
    except (OverflowError, TypeError, ValueError):
        box = around
    if box is None:
        faults.add(BROKEN_OBJECT, f'{where} (bbox {item.get("bbox")!r})')
        return None
    return LabeledObject(
        kind, box, where, mask, is_crowd=bool(item.get('iscrowd'))
    )


def _classes(
    files: dict[str, dict], order: list[str], labels: dict[str, ImageLabels]
) -> tuple[list[str], list[str]]:
    """Return the names of categories with objects, and of those without."""
    used = {item.kind for found in labels.values() for item in found.objects}
    names: dict[str, None] = {}
    for name in order:
        found = _category_names(files[name], name, Faults())
        names |= dict.fromkeys(found.values())
    classes = [name for name in names if name in used]
    return classes, [name for name in names if name not in used]
