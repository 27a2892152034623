"""mmdet's and mmseg's data sets read what was prepared."""

import numpy as np
import pytest
from PIL import Image

from cankd_mm.datasets.prepared import read_prepared
from tests.test_datasets.test_preparation.test_own import miniatures as mini
from tests.test_datasets.test_preparation.test_own.miniatures import (
    BOX,
    STEMS,
)


def coco_data_set(root, split='train'):
    from mmdet.datasets import CocoDataset

    data = read_prepared(root)
    return CocoDataset(
        data_root=f'{root}/',
        ann_file=data.splits[split],
        data_prefix=dict(img=data.image_folder),
        metainfo=dict(classes=data.classes),
        pipeline=[],
        test_mode=True,
    )


@pytest.mark.parametrize('out', [None, 'out'])
@pytest.mark.parametrize('make', [mini.voc, mini.coco, mini.yolo_folder])
def test_mmdet_reads_boxes_and_images(make, out, tmp_path):
    photos = make(tmp_path / 'photos')
    root = tmp_path / out if out else photos
    mini.detection(photos, out=root if out else None)
    found = []
    for split in ('train', 'val'):
        data_set = coco_data_set(root, split)
        for index in range(len(data_set)):
            item = data_set.get_data_info(index)
            stem = item['img_path'].rpartition('/')[2][:3]
            (box,) = item['instances']
            assert box['bbox'] == list(BOX)
            assert box['ignore_flag'] == 0
            kind = data_set.metainfo['classes'][box['bbox_label']]
            number = int(kind[-1]) if '_' in kind else None
            assert kind == mini.kind_of(stem) or number == int(stem[1:]) % 2
            assert Image.open(item['img_path']).size == mini.SIZE
            found.append(stem)
    assert sorted(found) == STEMS


def test_boxes_are_those_of_mmdets_own_reader(tmp_path):
    from mmdet.datasets import VOCDataset

    root = mini.voc(tmp_path / 'a', images='JPEGImages', labels='Annotations')
    hard = mini.xml_object('dog', extra='<difficult>1</difficult>')
    easy = mini.xml_object('cat', (7, 1, 39, 29))
    mini.write(root / 'Annotations/p00.xml', mini.xml(hard, easy))
    mini.write(root / 'ImageSets/Main/train.txt', *STEMS[:8])
    mini.write(root / 'ImageSets/Main/val.txt', *STEMS[8:])
    mini.detection(root)
    plain = VOCDataset(
        data_root=f'{root}/',
        ann_file='ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('cat', 'dog')),
        pipeline=[],
        test_mode=True,
    )
    prepared = coco_data_set(root)
    assert len(plain) == len(prepared) == 8
    for index in range(8):
        first, second = (
            data.get_data_info(index) for data in (plain, prepared)
        )
        assert first['instances'] == second['instances']
        assert first['img_path'] == second['img_path']


def test_masks_are_read(tmp_path):
    from mmdet.datasets import CocoDataset

    for stem in STEMS:
        mini.photo(tmp_path / f'{stem}.jpg')
        line = '0 0.1 0.1 0.5 0.1 0.5 0.5'
        mini.write(tmp_path / f'{stem}.txt', line)
    mini.write(tmp_path / 'classes.txt', 'cat')
    mini.detection(tmp_path)
    data = read_prepared(tmp_path)
    assert data.has_masks
    data_set = CocoDataset(
        data_root=str(tmp_path),
        ann_file=data.splits['train'],
        data_prefix=dict(img=data.image_folder),
        metainfo=dict(classes=data.classes),
        pipeline=[
            dict(type='LoadImageFromFile', _scope_='mmdet'),
            dict(
                type='LoadAnnotations',
                _scope_='mmdet',
                with_bbox=True,
                with_mask=True,
            ),
        ],
    )
    masks = data_set[0]['gt_masks']
    assert (masks.height, masks.width) == mini.SIZE[::-1]
    assert 80 <= masks.masks[0].sum() <= 112


def test_pycocotools_reads_and_evaluates(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    mini.voc(tmp_path)
    mini.detection(tmp_path)
    coco = COCO(tmp_path / 'prepared/train.json')
    found = [
        dict(
            image_id=item['image_id'],
            category_id=item['category_id'],
            bbox=item['bbox'],
            score=1.0,
        )
        for item in coco.anns.values()
    ]
    evaluation = COCOeval(coco, coco.loadRes(found), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == 1


def seg_data_set(root, split):
    from mmseg.datasets import BaseSegDataset

    data = read_prepared(root)
    return BaseSegDataset(
        data_root=str(root),
        ann_file=data.splits[split],
        data_prefix=dict(
            img_path=data.image_folder, seg_map_path=data.mask_folder
        ),
        img_suffix=data.image_suffix,
        seg_map_suffix=data.mask_suffix,
        metainfo=dict(classes=data.classes),
        pipeline=[
            dict(type='LoadImageFromFile', _scope_='mmseg'),
            dict(type='LoadAnnotations', _scope_='mmseg'),
        ],
    )


def read_scenes(root) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Photos and label maps by the stem of the photo."""
    found = {}
    for split in ('train', 'val'):
        data_set = seg_data_set(root, split)
        for index in range(len(data_set)):
            path = data_set.get_data_info(index)['img_path']
            item = data_set[index]
            stem = path.rpartition('/')[2].partition('.')[0]
            assert stem not in found
            found[stem] = item['img'], item['gt_seg_map']
    return found


def mixed_suffixes(root):
    mini.scenes(root)
    (root / 'images/p00.jpg').rename(root / 'images/p00.JPG')
    (root / 'images/p01.jpg').unlink()
    mini.photo(root / 'images/p01.png')


def beside_each_other(root):
    mini.scenes(root, images='', masks='', tail='_mask')


def sub_folders(root):
    for number, town in enumerate('ab'):
        stems = STEMS[5 * number : 5 * number + 5]
        mini.scenes(root, stems, f'images/{town}', f'masks/{town}')


def split_first(root):
    mini.scenes(root, STEMS[:7], 'train/images', 'train/masks')
    mini.scenes(root, STEMS[7:], 'val/images', 'val/masks')


def sixteen_bits(root):
    mini.scenes(root, dtype='uint16')


def palette(root):
    mini.scenes(root, mode='P')


def equal_channels(root):
    mini.scenes(root)
    for path in (root / 'masks').iterdir():
        Image.open(path).convert('RGB').save(path)


LAYOUTS = (
    mini.scenes,
    mixed_suffixes,
    beside_each_other,
    sub_folders,
    split_first,
    sixteen_bits,
    palette,
    equal_channels,
)


@pytest.mark.parametrize('out', [None, 'out'])
@pytest.mark.parametrize('make', LAYOUTS, ids=lambda make: make.__name__)
def test_mmseg_reads_the_right_pairs(make, out, tmp_path):
    photos = tmp_path / 'photos'
    make(photos)
    root = tmp_path / out if out else photos
    report = mini.segmentation(photos, out=root if out else None)
    assert report.ready, report.as_text()
    assert not report.remarks
    found = read_scenes(root)
    assert sorted(found) == STEMS
    for stem, (image, labels) in found.items():
        files = [
            (str(path.relative_to(photos)), path)
            for path in photos.rglob(f'{stem}*')
            if 'prepared' not in path.parts
        ]
        ((_, photo),) = (item for item in files if 'mask' not in item[0])
        ((_, mask),) = (item for item in files if 'mask' in item[0])
        pixels = np.asarray(Image.open(photo))[..., ::-1]
        # JPEG decoders differ a little.
        assert np.abs(image.astype(int) - pixels).mean() < 2
        stored = np.asarray(Image.open(mask))
        stored = stored[..., 0] if stored.ndim == 3 else stored
        assert np.array_equal(labels, stored)
