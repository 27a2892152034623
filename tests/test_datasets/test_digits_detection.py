import numpy as np
import pytest
from mmdet.datasets import XMLDataset
from mmdet.registry import DATASETS

import cankd_mm  # noqa: F401
from cankd_mm.datasets.digits_annotations import CLASSES


@pytest.fixture
def dataset(digits_root, small_spec):
    return DATASETS.build(
        dict(
            type='DigitsDetectionDataset',
            split='val',
            data_root=str(digits_root),
            spec=dict(num_train=12, num_val=6),
            test_mode=True,
            pipeline=[
                dict(type='mmdet.LoadImageFromFile'),
                dict(type='mmdet.LoadAnnotations', with_bbox=True),
                dict(type='mmdet.PackDetInputs'),
            ],
        )
    )


def test_spec_of_the_config_decides_the_size(dataset, small_spec):
    assert len(dataset) == small_spec.num_val


def test_absent_data_is_made(tmp_path):
    dataset = DATASETS.build(
        dict(
            type='DigitsDetectionDataset',
            data_root=str(tmp_path / 'new'),
            spec=dict(num_train=3, num_val=1),
        )
    )
    assert len(dataset) == 3


def test_items_are_images_with_boxes(dataset, small_spec):
    item = dataset[0]
    assert item['inputs'].shape == (3, small_spec.canvas, small_spec.canvas)
    instances = item['data_samples'].gt_instances
    assert len(instances.bboxes) == len(instances.labels) >= 2


def test_voc_reader_of_mmdet_finds_the_same_boxes(dataset, digits):
    voc = XMLDataset(
        data_root=str(digits),
        ann_file='ImageSets/Main/val.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=CLASSES),
        test_mode=True,
    )
    assert len(voc) == len(dataset)
    for index in range(len(voc)):
        ours, theirs = (
            one.get_data_info(index)['instances'] for one in (dataset, voc)
        )
        labels = [one['bbox_label'] for one in ours]
        assert labels == [one['bbox_label'] for one in theirs]
        # mmdet keeps VOC's last pixel where COCO has the edge behind it.
        np.testing.assert_array_equal(
            np.array([one['bbox'] for one in ours]),
            np.array([one['bbox'] for one in theirs]) + [0, 0, 1, 1],
        )
