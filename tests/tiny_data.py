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
