"""COCO's annotations: what the file has, and why boxes are left out."""

import json
from collections import Counter
from collections.abc import Callable
from math import isfinite
from numbers import Number
from pathlib import Path
from typing import Any

from cankd_mm.datasets.inspection.errors import (
    DataSetError,
    brief,
    failure_noted,
    unusual_content,
)
from cankd_mm.datasets.inspection.names import listed
from cankd_mm.datasets.inspection.record import LoadingRecord
from cankd_mm.datasets.inspection.steps import all_steps, loads_annotations

_LISTS = dict(
    images=('id', 'file_name', 'width', 'height'),
    annotations=('id', 'image_id', 'category_id', 'bbox', 'area'),
    categories=('id', 'name'),
)
_NUMBERS = ('width', 'height', 'area')


def coco_wrappers(
    dataset: Any, record: LoadingRecord, training: bool
) -> dict[str, Callable]:
    """Return wrappers of the methods with which a ``CocoDataset`` loads.

    Args:
        dataset: A data set that reads its file with its ``COCOAPI``.
        record: Takes the counts.
        training: Whether boxes are counted, and annotations are required
            where the pipeline loads them.
    """
    files = []
    steps = list(all_steps(getattr(dataset, 'pipeline', None)))
    # ``CocoDataset`` itself loads a list of images without labels, too.
    names = [n for n in _LISTS if n != 'annotations']
    if training and loads_annotations(steps):
        names = list(_LISTS)

    def read(api):
        def read_file(*args, **kwargs):
            coco = api(*args, **kwargs)
            _require_lists(coco.dataset, record, names)
            if training and _has_categories(coco.dataset):
                files.append(coco)
            return coco

        return read_file

    def count(raw, parsed):
        with_label, known = 0, dataset.cat2label
        for box in raw['raw_ann_info']:
            with_label += box['category_id'] in known
        if len(parsed['instances']) != with_label:
            _count_dropped(known, raw, record)

    def parse(original):
        def parse_image(raw, *args, **kwargs):
            parsed = original(raw, *args, **kwargs)
            if files:
                with failure_noted(record):
                    count(raw, parsed)
            return parsed

        return parse_image

    def load(original):
        def load_list(*args, **kwargs):
            items = original(*args, **kwargs)
            if files:
                with failure_noted(record):
                    _count_source(files[0], dataset, record)
            return items

        return load_list

    return dict(COCOAPI=read, parse_data_info=parse, load_data_list=load)


def coco_fault(path: str) -> str:
    """Describe why a file cannot be loaded as COCO's annotations.

    Called after a failure, so it may read the file again.

    Returns:
        What was found and what is expected; '' where it is in order.
    """
    if not Path(path).is_file():
        return ''
    unusual = unusual_content(path)
    expected = 'expected a JSON object with ' + ', '.join(_LISTS)
    if unusual:
        return f'this is {unusual}; {expected}'
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except ValueError as error:
        size = Path(path).stat().st_size
        return (
            f'this is no JSON, or only a part of it ({size:,} bytes; '
            f'{brief(error)}); {expected}'
        )
    if not isinstance(content, dict):
        return f'this is a JSON {type(content).__name__}; {expected}'
    missing = _missing_lists(content, list(_LISTS))
    if missing:
        return f'{missing}; {expected}'
    return _faulty_entry(content)


def _require_lists(content: dict, record: LoadingRecord, names: list[str]):
    missing = _missing_lists(content, names)
    if missing:
        raise DataSetError(
            f'{record.key}.ann_file: {record.file}: {missing}; expected '
            + ', '.join(names)
        )


def _missing_lists(content: dict, names: list[str]) -> str:
    missing = [n for n in names if not isinstance(content.get(n), list)]
    if not missing:
        return ''
    return f'it has no list {listed(missing)}, only {listed(list(content))}'


def _has_categories(content: dict) -> bool:
    # Panoptic annotations have them one level down, captions not at all.
    boxes = content.get('annotations')
    return not boxes or 'category_id' in boxes[0]


def _count_source(coco: Any, dataset: Any, record: LoadingRecord) -> None:
    boxes, images = coco.dataset.get('annotations') or [], coco.imgs
    names = {number: str(cat['name']) for number, cat in coco.cats.items()}
    # Names without a box are in the file too.
    record.source = Counter(dict.fromkeys(names.values(), 0))
    unknown = {}
    for number, count in Counter(b['category_id'] for b in boxes).items():
        if number in names:
            record.source[names[number]] += count
        else:
            unknown[f'category_id {number}'] = count
    # Last, because the file has no name for them.
    record.source.update(unknown)
    used = [box for box in boxes if box['image_id'] in images]
    if len(used) < len(boxes):
        record.dropped['image_id of no image'] += len(boxes) - len(used)
    for number, count in Counter(b['category_id'] for b in used).items():
        if number not in names:
            record.dropped['category_id of no category'] += count
        elif number not in dataset.cat2label:
            record.dropped['category not in classes'] += count
    record.numbered = tuple(names[number] for number in dataset.cat_ids)


def _count_dropped(known: dict, raw: dict, record: LoadingRecord) -> None:
    """Count why boxes with a label are left out, as ``CocoDataset`` does."""
    image = raw['raw_img_info']
    for box in raw['raw_ann_info']:
        if box['category_id'] not in known:
            continue
        x, y, w, h = box['bbox']
        if box.get('ignore', False):
            reason = 'marked ignore'
        elif not (
            min(x + w, image['width']) > max(x, 0)
            and min(y + h, image['height']) > max(y, 0)
        ):
            reason = 'no size or outside of the image'
        elif box['area'] <= 0 or w < 1 or h < 1:
            reason = 'area 0 or smaller than a pixel'
        else:
            continue
        record.dropped[reason] += 1


def _faulty_entry(content: dict) -> str:
    """Describe the first entry that lacks something."""
    for name, keys in _LISTS.items():
        for index, entry in enumerate(content[name]):
            where = f'{name}[{index}]'
            if not isinstance(entry, dict):
                return f'{where} is {entry!r}, expected an object'
            where += f' (id {entry.get("id")})'
            missing = [key for key in keys if key not in entry]
            if missing:
                return (
                    f'{where} has no {listed(missing)}, only '
                    f'{listed(list(entry))}'
                )
            for key in set(keys).intersection(_NUMBERS):
                if not _is_number(entry[key]):
                    return f'{where}.{key} is {entry[key]!r}, not a number'
            box = entry.get('bbox', [0] * 4)
            if not (
                isinstance(box, list)
                and len(box) == 4
                and all(map(_is_number, box))
            ):
                return (
                    f'{where}.bbox is {box!r}, expected four numbers '
                    '[x, y, width, height]'
                )
    return ''


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, Number)
        and not isinstance(value, bool)
        and isfinite(value)
    )
