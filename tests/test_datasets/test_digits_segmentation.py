import numpy as np
import pytest
from mmseg.registry import DATASETS

import cankd_mm  # noqa: F401


@pytest.fixture
def dataset(digits_root, small_spec):
    return DATASETS.build(
        dict(
            type='DigitsSegmentationDataset',
            split='train',
            data_root=str(digits_root),
            spec=dict(num_train=12, num_val=6),
            pipeline=[
                dict(type='mmseg.LoadImageFromFile'),
                dict(type='mmseg.LoadAnnotations'),
                dict(type='mmseg.PackSegInputs'),
            ],
        )
    )


def test_spec_of_the_config_decides_the_size(dataset, small_spec):
    assert len(dataset) == small_spec.num_train


def test_classes_are_background_and_ten_digits(dataset):
    assert dataset.metainfo['classes'][0] == 'background'
    assert dataset.metainfo['classes'][1:] == tuple('0123456789')
    assert len(dataset.metainfo['palette']) == 11


def test_items_are_images_with_their_masks(dataset, digits):
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        mask = sample.gt_sem_seg.data.numpy()
        assert mask.shape == (1, 96, 96)
        assert mask.max() <= 10
        assert np.count_nonzero(mask) > 50
