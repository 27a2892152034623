"""Tiny photos and labels in the layouts that people have."""

import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from cankd_mm.datasets.preparation.own import OwnOptions, prepare_own
from cankd_mm.datasets.preparation.report import Report

#: Width and height of the photos.
SIZE = (40, 30)
STEMS = [f'p{number:02d}' for number in range(10)]
KINDS = ('cat', 'dog')
#: Left, top, right and bottom, as 0 is the edge of the first pixel.
BOX = (4, 3, 24, 18)


def photo(path: Path, size=SIZE, **options) -> Path:
    """Save an image of its own content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(path.as_posix().encode())
    mode = options.pop('mode', 'RGB')
    shape = (size[1], size[0], 3)
    pixels = np.random.default_rng(seed).integers(0, 255, shape, np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')
    return path


def kind_of(stem: str) -> str:
    return KINDS[int(stem[1:]) % 2]


def xml(*objects: str, filename: str = 'x.jpg', size=SIZE) -> str:
    return (
        f'<annotation><folder>f</folder><filename>{filename}</filename>'
        f'<size><width>{size[0]}</width><height>{size[1]}</height></size>'
        f'{"".join(objects)}</annotation>'
    )


def xml_object(kind: str, box=BOX, extra: str = '') -> str:
    """An object in VOC's format, which counts pixels from 1."""
    sides = ''.join(
        f'<{side}>{value + 1}</{side}>'
        for side, value in zip(
            ('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True
        )
    )
    return (
        f'<object><name>{kind}</name>{extra}<bndbox>{sides}</bndbox></object>'
    )


def yolo(number: int, box=BOX, size=SIZE) -> str:
    left, top, right, bottom = box
    width, height = size
    return (
        f'{number} {(left + right) / 2 / width} {(top + bottom) / 2 / height} '
        f'{(right - left) / width} {(bottom - top) / height}'
    )


def voc(root: Path, stems=STEMS, images='images', labels='annotations'):
    for stem in stems:
        photo(root / images / f'{stem}.jpg')
        write(root / labels / f'{stem}.xml', xml(xml_object(kind_of(stem))))
    return root


def yolo_folder(root: Path, stems=STEMS, images='images', labels='labels'):
    for stem in stems:
        photo(root / images / f'{stem}.jpg')
        line = yolo(KINDS.index(kind_of(stem)))
        write(root / labels / f'{stem}.txt', line)
    return root


def coco_json(stems=STEMS, folder: str = '') -> dict:
    """Category ids are neither contiguous nor in the order of names."""
    ids = dict(dog=7, cat=30)
    left, top, right, bottom = BOX
    return dict(
        images=[
            dict(
                id=100 + number,
                file_name=f'{folder}{stem}.jpg',
                width=SIZE[0],
                height=SIZE[1],
            )
            for number, stem in enumerate(stems)
        ],
        annotations=[
            dict(
                id=number + 1,
                image_id=100 + number,
                category_id=ids[kind_of(stem)],
                bbox=[left, top, right - left, bottom - top],
                area=(right - left) * (bottom - top),
                iscrowd=0,
            )
            for number, stem in enumerate(stems)
        ],
        categories=[dict(id=ids[name], name=name) for name in ('dog', 'cat')],
    )


def coco(root: Path, stems=STEMS, images='images', file='labels.json'):
    for stem in stems:
        photo(root / images / f'{stem}.jpg')
    write(root / file, json.dumps(coco_json(stems)))
    return root


def labels_of(number: int = 0, values=(0, 1, 2, 255), size=SIZE):
    """A label map with all of the values."""
    pixels = np.resize(np.array(values), size[0] * size[1])
    pixels = np.random.default_rng(number).permutation(pixels)
    return pixels.reshape(size[1], size[0])


def mask(path: Path, pixels, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = options.pop('mode', None)
    image = Image.fromarray(np.asarray(pixels, options.pop('dtype', 'uint8')))
    if mode == 'P':
        image = Image.fromarray(np.asarray(pixels, np.uint8), mode='P')
        image.putpalette(list(range(256)) * 3)
    image.save(path, **options)
    return path


def scenes(
    root: Path,
    stems=STEMS,
    images='images',
    masks='masks',
    tail='',
    values=(0, 1, 2, 255),
    **options,
):
    for number, stem in enumerate(stems):
        photo(root / images / f'{stem}.jpg')
        pixels = labels_of(number, values)
        mask(root / masks / f'{stem}{tail}.png', pixels, **options)
    return root


def detection(root: Path, **options) -> Report:
    return prepare_own('detection', root, OwnOptions(**options))


def segmentation(root: Path, **options) -> Report:
    return prepare_own('segmentation', root, OwnOptions(**options))


def result(root: Path, split: str) -> dict:
    return json.loads((root / f'prepared/{split}.json').read_text())


def names(root: Path, *splits: str) -> list[str]:
    return sorted(
        image['file_name']
        for split in splits or ('train', 'val')
        for image in result(root, split)['images']
    )


def described(root: Path) -> dict:
    return json.loads((root / 'prepared/dataset.json').read_text())


def remark(report: Report, part: str):
    """The one remark that has a text."""
    found = [item for item in report.remarks if part in item.text]
    assert len(found) == 1, report.as_text()
    return found[0]


def only_remark(report: Report, part: str):
    """The remark that has a text, and is the only one."""
    assert len(report.remarks) == 1, report.as_text()
    return remark(report, part)
