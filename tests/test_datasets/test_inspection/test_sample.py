"""A few images and masks are opened, and nothing else changes."""

import random

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image

from cankd_mm.datasets.inspection import inspect_sample
from tests import data_runs
from tests.tiny_data import write_boxes, write_masks


@TRANSFORMS.register_module()
class OwnLabels(BaseTransform):
    """A user's own step, which makes labels of what the file has."""

    def transform(self, results):
        return results


def masks(root, **kwargs):
    return DATASETS.build(data_runs.masks(root, **kwargs))


def edit(root, change):
    for path in sorted((root / 'masks').iterdir()):
        Image.fromarray(change(np.asarray(Image.open(path)))).save(path)


def test_at_most_so_many_are_opened_evenly_spread(tmp_path):
    root = write_boxes(tmp_path / 'data', count=40)
    dataset = DATASETS.build(data_runs.coco(root))
    seen, get = [], dataset.get_data_info
    dataset.get_data_info = lambda index: seen.append(index) or get(index)
    verdict = inspect_sample(dataset, 'key', size=4)
    assert sorted(set(seen)) == [0, 10, 20, 30]
    assert verdict.report == ['key: opened 4 of 40 images']


def test_what_older_decoders_fill_with_gray_is_reported(tmp_path, monkeypatch):
    root = write_boxes(tmp_path / 'data')
    path = root / 'JPEGImages/1.jpg'
    path.write_bytes(path.read_bytes()[:-200])
    gray = np.full((64, 64, 3), 128, np.uint8)
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: gray)
    verdict = inspect_sample(DATASETS.build(data_runs.coco(root)), 'key')
    assert not verdict.errors
    (warning,) = verdict.warnings
    assert 'images that are damaged, but that the pipeline can load' in warning
    assert '(1 of 4 opened)' in warning
    assert '1.jpg: OSError: image file is truncated' in warning


def test_what_the_decoder_does_not_load_is_an_error(tmp_path, monkeypatch):
    root = write_boxes(tmp_path / 'data')
    path = root / 'JPEGImages/1.jpg'
    path.write_bytes(path.read_bytes()[:-200])
    decode = cv2.imdecode
    results = iter([True, False, True, True])
    monkeypatch.setattr(
        cv2, 'imdecode', lambda *args: decode(*args) if next(results) else None
    )
    verdict = inspect_sample(DATASETS.build(data_runs.coco(root)), 'key')
    (error,) = verdict.errors
    assert 'images that cannot be read (1 of 4 opened)' in error
    assert '1.jpg: OSError: image file is truncated' in error


def test_bytes_of_no_format_are_an_error(tmp_path):
    root = write_boxes(tmp_path / 'data')
    (root / 'JPEGImages/1.jpg').write_bytes(b'0123456789' * 100)
    verdict = inspect_sample(DATASETS.build(data_runs.coco(root)), 'key')
    (error,) = verdict.errors
    assert 'images that cannot be read (1 of 4 opened)' in error


@TRANSFORMS.register_module()
class LoadScaledImage(LoadImageFromFile):
    """A user's own step, which needs what its data set adds."""

    def transform(self, results):
        results['scale_to']
        return super().transform(results)


class OwnItems(CocoDataset):
    """A user's own data set, which adds to its items."""

    def prepare_data(self, idx):
        item = self.get_data_info(idx)
        item['scale_to'] = 1.0
        item['img_path'] = item['img_path'].removesuffix('.zip')
        return self.pipeline(item)


class Skipping(CocoDataset):
    """A user's own data set, which skips what cannot be loaded."""

    def __getitem__(self, index):
        try:
            return super().__getitem__(index)
        except FileNotFoundError:
            return super().__getitem__(index + 1)


def own(kind, root, **kwargs):
    DATASETS.register_module(module=kind, force=True)
    return DATASETS.build(data_runs.coco(root, type=kind, **kwargs))


@pytest.mark.parametrize('kind', [OwnItems, CocoDataset])
def test_steps_that_need_more_than_the_item_are_no_error(kind, tmp_path):
    root = write_boxes(tmp_path / 'data')
    steps = ('LoadScaledImage', 'mmdet.PackDetInputs')
    pipeline = [dict(type=step) for step in steps]
    verdict = inspect_sample(own(kind, root, pipeline=pipeline), 'key')
    assert not verdict.errors
    (warning,) = verdict.warnings
    assert 'images that could not be looked at (4 of 4 opened)' in warning
    assert "0.jpg: KeyError: 'scale_to'" in warning


@pytest.mark.parametrize('kind', [OwnItems, Skipping])
def test_missing_files_of_data_sets_that_load_otherwise(kind, tmp_path):
    root = write_boxes(tmp_path / 'data')
    (root / 'JPEGImages/1.jpg').unlink()
    dataset = own(kind, root)
    verdict = inspect_sample(dataset, 'key')
    assert not verdict.errors
    (warning,) = verdict.warnings
    assert 'images that are not there' in warning
    assert f'{kind.__name__} has its own' in warning


def test_steps_and_random_streams_stay_as_they_are(tmp_path):
    dataset = masks(write_masks(tmp_path / 'data'))
    step = dataset.pipeline.transforms[1]
    before = dict(vars(step))
    states = (
        random.getstate(),
        np.random.get_state()[1].tobytes(),
        torch.random.get_rng_state().numpy().tobytes(),
    )
    assert not inspect_sample(dataset, 'key').errors
    # It notes reduce_zero_label where it is used itself.
    assert vars(step) == before
    assert states == (
        random.getstate(),
        np.random.get_state()[1].tobytes(),
        torch.random.get_rng_state().numpy().tobytes(),
    )


def test_steps_of_users_may_make_labels_of_anything(tmp_path):
    root = write_masks(tmp_path / 'data')
    edit(root, lambda labels: np.where(labels == 3, 200, labels))
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='mmseg.LoadAnnotations'),
    ]
    assert inspect_sample(masks(root, pipeline=steps), 'key').errors
    steps.append(dict(type='OwnLabels'))
    verdict = inspect_sample(masks(root, pipeline=steps), 'key')
    assert not verdict.errors
    assert (
        'pipeline has OwnLabels, which may change masks'
        in (verdict.warnings[0])
    )


def test_labels_are_those_after_the_label_map(tmp_path):
    kind = type(
        'FourLabels',
        (DATASETS.get('mmseg.BaseSegDataset'),),
        dict(METAINFO=dict(classes=tuple('abcd'), palette=[[0] * 3] * 4)),
    )
    DATASETS.register_module(module=kind, force=True)
    data = data_runs.masks(write_masks(tmp_path / 'data'), type=kind)
    data['metainfo'] = dict(classes=('d', 'b'))
    verdict = inspect_sample(DATASETS.build(data), 'key')
    assert not verdict.errors
    assert 'labels of 2 of 2 classes' in verdict.report[0]


def test_labels_that_the_model_ignores(tmp_path):
    root = write_masks(tmp_path / 'data')
    edit(root, lambda labels: np.where(labels == 3, 254, labels))
    dataset = masks(root)
    assert inspect_sample(dataset, 'key').errors
    verdict = inspect_sample(dataset, 'key', also_ignored={254})
    assert not verdict.errors and not verdict.warnings


def test_masks_of_which_the_model_learns_nothing(tmp_path):
    root = write_masks(tmp_path / 'data')
    edit(root, np.zeros_like)
    dataset = masks(root, ignore_index=0)
    # The heads learn from what the data set ignores when it evaluates.
    verdict = inspect_sample(dataset, 'key', untrained={255})
    assert not verdict.errors
    verdict = inspect_sample(masks(root), 'key', untrained={0})
    assert 'all labels of all 4 masks' in verdict.errors[0]
    assert 'ignore_index=0' in verdict.errors[0]


def test_masks_of_one_label_are_a_warning(tmp_path):
    root = write_masks(tmp_path / 'data')
    # As binary masks have it: one class, and what is ignored.
    edit(root, lambda labels: np.where(labels == 1, 255, 0).astype('uint8'))
    verdict = inspect_sample(masks(root), 'key')
    assert not verdict.errors
    assert 'have label 0 only, of 4 classes' in verdict.warnings[0]


def test_zero_is_ignored_where_it_is_reduced(tmp_path):
    root = write_masks(tmp_path / 'data')
    edit(root, lambda labels: np.where(labels < 4, labels + 1, 0))
    verdict = inspect_sample(masks(root, reduce_zero_label=True), 'key')
    assert not verdict.errors
    assert 'labels of 4 of 4 classes' in verdict.report[0]


def test_masks_with_a_palette_are_as_good(tmp_path):
    root = write_masks(tmp_path / 'data')
    for path in (root / 'masks').iterdir():
        image = Image.open(path).convert('L')
        with_palette = Image.fromarray(np.asarray(image), mode='P')
        with_palette.putpalette([0, 0, 0, 128, 0, 0])
        with_palette.save(path)
    assert not inspect_sample(masks(root), 'key').errors


def test_one_mask_of_ignored_labels_is_no_error(tmp_path):
    root = write_masks(tmp_path / 'data')
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(
        root / 'masks/1.png'
    )
    verdict = inspect_sample(masks(root), 'key')
    assert not verdict.errors
    assert '1 with ignored labels only' in verdict.report[0]


@pytest.mark.parametrize(
    'dataset', [[1, 2, 3], object(), torch.utils.data.TensorDataset()]
)
def test_data_sets_of_other_libraries(dataset):
    verdict = inspect_sample(dataset, 'key')
    assert 'were not looked at' in verdict.report[0]
    assert type(dataset).__name__ in verdict.report[0]
    assert not verdict.errors
