"""COCO, VOC and the masks describe the same images."""

import json
import xml.etree.ElementTree as ET
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from cankd_mm.datasets.digits_annotations import SEGMENTATION_PALETTE

SPLITS = ('train', 'val')


def read_coco(folder, split):
    """Image name to a list of (digit, x1, y1, x2, y2)."""
    coco = json.loads((folder / f'instances_{split}.json').read_text())
    names = {image['id']: image['file_name'][:-4] for image in coco['images']}
    digits = {c['id']: int(c['name']) for c in coco['categories']}
    boxes = defaultdict(list)
    for item in coco['annotations']:
        x, y, width, height = item['bbox']
        digit = digits[item['category_id']]
        boxes[names[item['image_id']]].append(
            (digit, x, y, x + width, y + height)
        )
    return dict(boxes)


def read_voc(folder, split):
    """The same from VOC's 1-based, inclusive pixels."""
    names = (folder / f'ImageSets/Main/{split}.txt').read_text().split()
    boxes = {}
    for name in names:
        root = ET.parse(folder / 'Annotations' / f'{name}.xml').getroot()
        boxes[name] = [
            (
                int(item.findtext('name')),
                int(item.findtext('bndbox/xmin')) - 1,
                int(item.findtext('bndbox/ymin')) - 1,
                int(item.findtext('bndbox/xmax')),
                int(item.findtext('bndbox/ymax')),
            )
            for item in root.iter('object')
        ]
    return boxes


def read_mask(folder, name):
    return np.asarray(Image.open(folder / f'SegmentationClass/{name}.png'))


@pytest.mark.parametrize('split', SPLITS)
def test_coco_and_voc_agree(digits, split):
    assert read_coco(digits, split) == read_voc(digits, split)


@pytest.mark.parametrize('split', SPLITS)
def test_boxes_are_tight_around_their_ink(digits, split):
    for name, boxes in read_coco(digits, split).items():
        mask = read_mask(digits, name)
        for digit, x1, y1, x2, y2 in boxes:
            rows, columns = np.nonzero(mask[y1:y2, x1:x2] == digit + 1)
            assert (columns.min(), rows.min()) == (0, 0)
            assert (columns.max(), rows.max()) == (x2 - x1 - 1, y2 - y1 - 1)


@pytest.mark.parametrize('split', SPLITS)
def test_all_ink_lies_in_boxes(digits, split):
    for name, boxes in read_coco(digits, split).items():
        mask = read_mask(digits, name).copy()
        for _, x1, y1, x2, y2 in boxes:
            mask[y1:y2, x1:x2] = 0
        assert not mask.any()


@pytest.mark.parametrize('split', SPLITS)
def test_boxes_lie_on_the_canvas_and_apart(digits, small_spec, split):
    for boxes in read_coco(digits, split).values():
        taken = np.zeros((small_spec.canvas,) * 2, int)
        for _, x1, y1, x2, y2 in boxes:
            assert 0 <= x1 < x2 <= small_spec.canvas
            assert 0 <= y1 < y2 <= small_spec.canvas
            taken[y1:y2, x1:x2] += 1
        assert taken.max() == 1


@pytest.mark.parametrize('split', SPLITS)
def test_number_of_digits_is_as_asked_for(digits, small_spec, split):
    fewest, most = small_spec.digits_per_image
    for boxes in read_coco(digits, split).values():
        assert fewest <= len(boxes) <= most


@pytest.mark.parametrize('split', SPLITS)
def test_digits_are_brighter_than_what_surrounds_them(digits, split):
    for name in read_coco(digits, split):
        image = np.asarray(Image.open(digits / f'JPEGImages/{name}.jpg'))
        mask = read_mask(digits, name)
        assert image[mask > 0].mean() > image[mask == 0].mean() + 40


def test_masks_carry_the_palette(digits):
    image = Image.open(digits / 'SegmentationClass/train_00000.png')
    assert image.mode == 'P'
    palette = np.asarray(image.getpalette()).reshape(-1, 3)
    count = len(SEGMENTATION_PALETTE)
    np.testing.assert_array_equal(palette[:count], SEGMENTATION_PALETTE)


@pytest.mark.parametrize('split', SPLITS)
def test_split_lists_name_the_images(digits, small_spec, split):
    detection, segmentation = (
        (digits / f'ImageSets/{task}/{split}.txt').read_text().split()
        for task in ('Main', 'Segmentation')
    )
    assert detection == segmentation
    assert len(detection) == getattr(small_spec, f'num_{split}')
    for name in detection:
        assert (digits / f'JPEGImages/{name}.jpg').is_file()
