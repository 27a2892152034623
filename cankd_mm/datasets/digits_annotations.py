"""Writes painted canvases in the layouts of COCO and PASCAL VOC.

One folder serves all readers::

    JPEGImages/*.jpg                    the images
    Annotations/*.xml                   boxes, VOC (1-based, inclusive)
    SegmentationClass/*.png             index masks with a palette, VOC
    ImageSets/Main/{train,val}.txt      the splits, VOC detection
    ImageSets/Segmentation/*.txt        the splits, VOC segmentation
    instances_{train,val}.json          boxes, COCO
"""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cankd_mm.datasets.digits_canvas import Canvas

CLASSES = tuple('0123456789')
PALETTE = [
    (228, 87, 86),
    (245, 133, 24),
    (238, 202, 59),
    (114, 183, 178),
    (84, 162, 75),
    (76, 120, 168),
    (178, 121, 162),
    (255, 157, 166),
    (157, 117, 93),
    (186, 176, 172),
]
SEGMENTATION_CLASSES = ('background', *CLASSES)
SEGMENTATION_PALETTE = [(0, 0, 0), *PALETTE]


def write_split(root: Path, split: str, canvases: list[Canvas]) -> None:
    """Writes all canvases of a split, in every layout.

    Args:
        root: Folder to write to; what is missing is made.
        split: ``'train'`` or ``'val'``; image names start with it.
        canvases: What to write.
    """
    folders = ('JPEGImages', 'Annotations', 'SegmentationClass')
    sets = ('ImageSets/Main', 'ImageSets/Segmentation')
    for folder in folders + sets:
        (root / folder).mkdir(parents=True, exist_ok=True)

    names = [f'{split}_{index:05d}' for index in range(len(canvases))]
    for name, canvas in zip(names, canvases, strict=True):
        cv2.imwrite(
            str(root / 'JPEGImages' / f'{name}.jpg'),
            canvas.image,
            [cv2.IMWRITE_JPEG_QUALITY, 95],
        )
        _write_mask(root / 'SegmentationClass' / f'{name}.png', canvas.mask)
        _write_voc(root / 'Annotations' / f'{name}.xml', name, canvas)
    for folder in sets:
        (root / folder / f'{split}.txt').write_text('\n'.join(names) + '\n')
    coco = _coco(names, canvases)
    (root / f'instances_{split}.json').write_text(json.dumps(coco))


def _write_mask(path: Path, mask: np.ndarray) -> None:
    image = Image.fromarray(mask, mode='P')
    image.putpalette(np.asarray(SEGMENTATION_PALETTE, np.uint8).tobytes())
    image.save(path)


def _write_voc(path: Path, name: str, canvas: Canvas) -> None:
    height, width = canvas.image.shape
    annotation = ET.Element('annotation')
    _add(annotation, folder='JPEGImages', filename=f'{name}.jpg')
    size = ET.SubElement(annotation, 'size')
    _add(size, width=width, height=height, depth=3)
    _add(annotation, segmented=1)
    for digit, (x1, y1, x2, y2) in zip(
        canvas.digits, canvas.boxes, strict=True
    ):
        item = ET.SubElement(annotation, 'object')
        _add(item, name=CLASSES[digit], difficult=0, truncated=0)
        box = ET.SubElement(item, 'bndbox')
        _add(box, xmin=x1 + 1, ymin=y1 + 1, xmax=x2, ymax=y2)
    ET.indent(annotation)
    ET.ElementTree(annotation).write(path)


def _add(parent: ET.Element, **texts) -> None:
    for tag, text in texts.items():
        ET.SubElement(parent, tag).text = str(text)


def _coco(names: list[str], canvases: list[Canvas]) -> dict:
    images, annotations = [], []
    for image_id, (name, canvas) in enumerate(
        zip(names, canvases, strict=True), start=1
    ):
        height, width = canvas.image.shape
        images.append(
            dict(
                id=image_id,
                file_name=f'{name}.jpg',
                width=width,
                height=height,
            )
        )
        for digit, box in zip(canvas.digits, canvas.boxes, strict=True):
            x1, y1, x2, y2 = (int(v) for v in box)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=int(digit) + 1,
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    iscrowd=0,
                )
            )
    categories = [
        dict(id=index, name=name) for index, name in enumerate(CLASSES, 1)
    ]
    return dict(images=images, annotations=annotations, categories=categories)
