"""Data sets of two small images in the layouts of the public ones."""

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_coco(root: Path, num_classes: int = 80, size: int = 64) -> Path:
    """COCO 2017's folders with two train and two val images."""
    random = np.random.default_rng(0)
    for split in ('train2017', 'val2017'):
        (root / split).mkdir(parents=True)
        images, annotations = [], []
        for number in (1, 2):
            pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
            name = f'{number:012d}.jpg'
            Image.fromarray(pixels).save(root / split / name)
            images.append(
                dict(id=number, file_name=name, height=size, width=size)
            )
            annotations.append(
                dict(
                    id=number,
                    image_id=number,
                    category_id=number,
                    bbox=[8, 8, 32, 40],
                    area=32 * 40,
                    iscrowd=0,
                    segmentation=[[8, 8, 40, 8, 40, 48, 8, 48]],
                )
            )
        # The data set looks its classes up by name.
        from mmdet.datasets import CocoDataset

        names = CocoDataset.METAINFO['classes'][:num_classes]
        categories = [
            dict(id=number, name=name) for number, name in enumerate(names, 1)
        ]
        (root / 'annotations').mkdir(exist_ok=True)
        file = root / 'annotations' / f'instances_{split}.json'
        file.write_text(
            json.dumps(
                dict(
                    images=images,
                    annotations=annotations,
                    categories=categories,
                )
            )
        )
    return root


def write_cityscapes(root: Path, size: tuple[int, int] = (64, 128)) -> Path:
    """Cityscapes' folders with two train and two val images of one town."""
    random = np.random.default_rng(0)
    for split in ('train', 'val'):
        for kind in ('leftImg8bit', 'gtFine'):
            (root / kind / split / 'town').mkdir(parents=True)
        for number in range(2):
            stem = f'town_{number:06d}_000019'
            pixels = random.integers(0, 256, (*size, 3), dtype=np.uint8)
            labels = random.integers(0, 19, size, dtype=np.uint8)
            Image.fromarray(pixels).save(
                root / f'leftImg8bit/{split}/town/{stem}_leftImg8bit.png'
            )
            Image.fromarray(labels).save(
                root / f'gtFine/{split}/town/{stem}_gtFine_labelTrainIds.png'
            )
    return root


#: Classes of :func:`write_boxes`.
ANIMALS = ('cat', 'dog', 'bird')

_XML = """<annotation><filename>{name}.jpg</filename>
<size><width>{size}</width><height>{size}</height><depth>3</depth></size>
{objects}</annotation>
"""
_OBJECT = """<object><name>{kind}</name><difficult>0</difficult>
<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>41</xmax><ymax>49</ymax></bndbox>
</object>
"""


def write_boxes(root: Path, count: int = 4, size: int = 64) -> Path:
    """A folder that is a COCO and a VOC data set of three classes.

    Every image has a box of each class: ``train.json`` and ``JPEGImages``;
    ``Annotations/*.xml`` and ``train.txt``.
    """
    random = np.random.default_rng(0)
    for folder in ('JPEGImages', 'Annotations'):
        (root / folder).mkdir(parents=True)
    images, annotations = [], []
    for number in range(count):
        pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
        file = f'{number}.jpg'
        Image.fromarray(pixels).save(root / 'JPEGImages' / file)
        images.append(dict(id=number, file_name=file, height=size, width=size))
        for category in range(len(ANIMALS)):
            annotations.append(
                dict(
                    id=len(annotations),
                    image_id=number,
                    category_id=category,
                    bbox=[8, 8, 32, 40],
                    area=32 * 40,
                    iscrowd=0,
                )
            )
        objects = ''.join(_OBJECT.format(kind=kind) for kind in ANIMALS)
        (root / f'Annotations/{number}.xml').write_text(
            _XML.format(name=number, size=size, objects=objects)
        )
    categories = [dict(id=i, name=name) for i, name in enumerate(ANIMALS)]
    (root / 'train.json').write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=categories)
        )
    )
    (root / 'train.txt').write_text(
        ''.join(f'{number}\n' for number in range(count))
    )
    return root


def write_masks(root: Path, count: int = 4, size: int = 64) -> Path:
    """Images and masks with the labels 0 to 3 and 255, to be ignored."""
    random = np.random.default_rng(0)
    for folder in ('images', 'masks'):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f'images/{number}.jpg')
        labels = random.choice([0, 1, 2, 3, 255], (size, size))
        Image.fromarray(labels.astype(np.uint8)).save(
            root / f'masks/{number}.png'
        )
    return root
