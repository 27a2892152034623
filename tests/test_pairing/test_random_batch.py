"""Random images and labels, as the data loaders of the libraries give them."""

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from cankd_mm.pairing.random_batch import (
    Labels,
    label_classes,
    loaded_labels,
    random_batch,
)
from cankd_mm.pairing.random_batch.detection import clip_batch, detection_batch
from cankd_mm.pairing.random_batch.lanes import lane_batch
from cankd_mm.pairing.random_batch.segmentation import segmentation_batch
from tests import tiny_models

SIZE = (48, 96)


def _pipeline(*steps: dict) -> dict:
    return dict(train_dataloader=dict(dataset=dict(pipeline=list(steps))))


@pytest.mark.parametrize(
    ('step', 'expected'),
    [
        (dict(type='LoadAnnotations', with_bbox=True), Labels()),
        (dict(type='LoadAnnotations', with_mask=True), Labels(masks=True)),
        (
            dict(type='LoadAnnotations', with_mask=True, poly2mask=False),
            Labels(masks=True, polygons=True),
        ),
        (dict(type='LoadAnnotations', with_seg=True), Labels(semantic=True)),
        (
            dict(type='mmdet.LoadPanopticAnnotations'),
            Labels(masks=True, semantic=True),
        ),
        (dict(type='GenerateEdge'), Labels(edges=True)),
        (dict(type='LoadProposals'), Labels(proposals=True)),
        (dict(type='RandomSamplingNegPos'), Labels(texts=True)),
        (dict(type='LinesToArray'), Labels(lines=True)),
    ],
)
def test_the_pipeline_tells_the_labels(step, expected):
    assert loaded_labels(_pipeline(dict(type='LoadImageFromFile'), step)) == (
        expected
    )


def test_a_pipeline_inside_of_a_wrapped_data_set_counts():
    inner = _pipeline(dict(type='LoadAnnotations', with_mask=True))
    wrapped = dict(
        train_dataloader=dict(
            dataset=dict(dataset=inner['train_dataloader']['dataset'])
        )
    )
    assert loaded_labels(wrapped).masks
    assert loaded_labels({}) == Labels()


@pytest.mark.parametrize(
    ('model', 'expected'),
    [
        (dict(bbox_head=dict(num_classes=80)), 80),
        (dict(decode_head=[dict(num_classes=19), dict(num_classes=7)]), 7),
        (dict(head=dict(num_things_classes=5, num_classes=3)), 5),
        (dict(backbone=dict(num_classes=None)), 1),
    ],
)
def test_labels_are_of_the_smallest_head(model, expected):
    assert label_classes(model) == expected


def test_boxes_are_inside_of_the_image():
    batch = detection_batch(SIZE, 2, Labels(), images=3)
    assert len(batch['inputs']) == len(batch['data_samples']) == 3
    for image, sample in zip(*batch.values(), strict=True):
        assert image.shape == (3, *SIZE) and image.dtype == torch.uint8
        left, top, right, bottom = sample.gt_instances.bboxes.tensor.T
        assert (left < right).all() and (right <= 96).all()
        assert (top < bottom).all() and (bottom <= 48).all()
        assert sample.gt_instances.labels.max() < 2
        assert sample.img_shape == SIZE


@pytest.mark.parametrize('polygons', [True, False])
def test_masks_have_the_size_of_the_image(polygons):
    labels = Labels(masks=True, polygons=polygons)
    sample = detection_batch(SIZE, 2, labels)['data_samples'][0]
    masks = sample.gt_instances.masks
    assert (masks.height, masks.width) == SIZE
    areas = masks.to_ndarray().sum((1, 2))
    boxes = sample.gt_instances.bboxes.areas.numpy()
    assert areas == pytest.approx(boxes / 2, rel=0.25)
    assert len(sample.ignored_instances.masks) == 0


def test_other_labels_of_detectors():
    labels = Labels(semantic=True, proposals=True, texts=True)
    sample = detection_batch(SIZE, 7, labels)['data_samples'][0]
    assert sample.gt_sem_seg.sem_seg.shape == (1, *SIZE)
    limits = torch.tensor([96, 48, 96, 48])
    assert (sample.proposals.bboxes <= limits).all()
    assert sample.text == ('a', 'b', 'c')


def test_label_maps_have_every_class_and_ignored_pixels():
    labels = Labels(edges=True)
    batch = segmentation_batch((64, 96), 3, labels, channels=4)
    for image, sample in zip(*batch.values(), strict=True):
        assert image.shape == (4, 64, 96)
        data = sample.gt_sem_seg.data
        assert data.shape == (1, 64, 96) and data.dtype == torch.int64
        assert data.unique().tolist() == [0, 1, 2, 255]
        assert sample.gt_edge_map.data.shape == (1, 64, 96)


def test_a_clip_has_a_key_frame_and_identities():
    batch = clip_batch(SIZE, 2, Labels())
    assert batch['inputs'][0].shape == (2, 3, *SIZE)
    (clip,) = batch['data_samples']
    assert clip.key_frames_inds == [0] and clip.ref_frames_inds == [1]
    for frame in clip.video_data_samples:
        assert frame.gt_instances.instances_ids.tolist() == [0, 1, 2]


def test_lanes():
    batch = lane_batch(images=1)
    (sample,) = batch['data_samples']
    assert sample.lines_array.shape == (4, 78)
    assert sample.lines_array[:, 1].tolist() == [1, 1, 0, 0]
    assert batch['inputs'][0].shape[1:] == sample.img_shape


@pytest.mark.parametrize(
    ('config', 'kind'),
    [
        (tiny_models.retinanet(), 'DetDataSample'),
        (tiny_models.fcn(), 'SegDataSample'),
    ],
)
def test_the_model_tells_the_kind_of_batch(config, kind):
    model = MODELS.build(config)
    before = torch.get_rng_state()
    batches = [random_batch(model, Labels(), 3, SIZE, 1) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    first, second = (batch['inputs'][0] for batch in batches)
    assert torch.equal(first, second)
    assert type(batches[0]['data_samples'][0]).__name__ == kind


def test_a_model_without_normalization_takes_three_channels():
    model = nn.Module()
    model.data_preprocessor = nn.Identity()
    batch = random_batch(model, Labels(), 3, SIZE)
    assert batch['inputs'][0].shape == (3, *SIZE)
    lanes = random_batch(model, Labels(lines=True), 3, SIZE)
    assert hasattr(lanes['data_samples'][0], 'lines_array')
