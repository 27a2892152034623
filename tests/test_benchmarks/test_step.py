"""Training steps: what each of them runs."""

import pytest
import torch

from cankd_mm.benchmarks.random_batch import (
    detection_batch,
    segmentation_batch,
)
from cankd_mm.benchmarks.step import (
    BOUND,
    LAID_OUT,
    STUDENT,
    Options,
    initialised,
    stops_behind,
    teacher_features,
    training_steps,
)
from tests import tiny_models

SIZE = (64, 64)


def detectors():
    return tiny_models.distillation(
        tiny_models.faster_rcnn(), tiny_models.faster_rcnn()
    )


def segmentors():
    return tiny_models.distillation(
        tiny_models.fcn(),
        tiny_models.fcn(),
        'backbone.layer4',
        tiny_models.segmentation_loss(),
    )


@pytest.mark.parametrize(
    ('make', 'batch'),
    [(detectors, detection_batch), (segmentors, segmentation_batch)],
)
def test_every_step_can_be_taken_again_and_again(make, batch):
    steps = training_steps(make(), batch(2, SIZE), Options())
    assert list(steps) == [
        STUDENT,
        BOUND,
        'FrozenTeacherDistill',
        'FrozenTeacherDistill, lean teacher',
        'SingleTeacherDistill',
        'FpnTeacherDistill',
        'SingleTeacherDistill, as printed',
    ]
    for step in steps.values():
        step()
        step()


def test_bound_is_taken_in_the_layout_of_the_config_too():
    model = detectors()
    model.teacher_channels_last = True
    steps = training_steps(model, detection_batch(2, SIZE), Options())
    assert list(steps)[1:3] == [BOUND, LAID_OUT]
    steps[LAID_OUT]()


@pytest.mark.parametrize(
    ('sources', 'last'),
    [
        (['backbone.layer1', 'backbone'], 'backbone'),
        (['backbone.layer1', 'neck'], 'neck'),
        (['neck', 'decode_head.conv_seg'], 'head'),
        (['mmdet.models.dense_heads.anchor_head.AnchorHead.forward'], 'head'),
    ],
)
def test_teacher_is_needed_up_to_the_last_recorder(sources, last):
    recorders = {str(i): dict(source=s) for i, s in enumerate(sources)}
    model = dict(distiller=dict(teacher_recorders=recorders))
    assert stops_behind(model) == last


@pytest.mark.parametrize(
    ('source', 'runs'),
    [
        ('backbone.layer4', ['backbone']),
        ('neck', ['backbone', 'neck']),
        ('rpn_head', ['backbone', 'neck', 'rpn_head', 'roi_head.bbox_head']),
    ],
)
def test_lower_bound_runs_no_more_of_the_teacher(source, runs):
    model = detectors()
    model.distiller.teacher_recorders.features.source = source
    teacher = initialised(model.teacher, 'model.teacher')
    called = []
    for name in ('backbone', 'neck', 'rpn_head', 'roi_head.bbox_head'):
        teacher.get_submodule(name).register_forward_hook(
            lambda *_, name=name: called.append(name)
        )
    features = teacher_features(teacher, model, Options())
    data = teacher.data_preprocessor(detection_batch(2, SIZE), True)
    features(data['inputs'], data['data_samples'])
    assert called == runs
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not any(module.training for module in teacher.modules())


def test_batches_are_the_same_each_time_and_boxes_lie_inside():
    first, second = (detection_batch(2, (40, 80)) for _ in range(2))
    for a, b in zip(first['inputs'], second['inputs'], strict=True):
        assert torch.equal(a, b)
    for sample in first['data_samples']:
        boxes = sample.gt_instances.bboxes
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes >= 0).all()
        assert (boxes <= torch.tensor([80, 40, 80, 40])).all()


def test_pretrained_backbones_are_not_downloaded():
    model = detectors()
    model.architecture.backbone.init_cfg = dict(
        type='Pretrained', checkpoint='/no/such/file.pth'
    )
    initialised(model.architecture, 'model.architecture')
