"""The teacher sees images normalised as in its own training."""

import copy

import pytest
import torch
from mmdet.models import DetDataPreprocessor
from mmengine.structures import PixelData
from mmrazor.registry import MODELS
from mmseg.models import SegDataPreProcessor

from cankd_mm.algorithms.teacher_input import TeacherInput
from tests import tiny_models

RGB = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
)
CAFFE = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0])


def _adapter(ours: dict, theirs: dict) -> TeacherInput:
    return TeacherInput(
        DetDataPreprocessor(**ours), DetDataPreprocessor(**theirs)
    )


def _batch() -> dict:
    batch = tiny_models.detection_batch()
    sample = batch['data_samples'][0]
    sample.set_metainfo(dict(img_shape=(40, 48)))
    batch['inputs'][0] = batch['inputs'][0][:, :40, :48]
    return batch


@pytest.mark.parametrize(
    'ours, theirs',
    [
        (RGB, CAFFE),
        (CAFFE, RGB),
        (RGB, {}),
        ({}, CAFFE),
        (RGB, dict(CAFFE, pad_value=5)),
    ],
    ids=['rgb-caffe', 'caffe-rgb', 'rgb-raw', 'raw-caffe', 'padding'],
)
def test_equals_the_teachers_own_preprocessor(ours, theirs):
    student, teacher = (
        DetDataPreprocessor(**ours),
        DetDataPreprocessor(**theirs),
    )
    adapter = TeacherInput(student, teacher)
    given = student(_batch(), True)
    expected = teacher(_batch(), True)['inputs']
    adapted = adapter(given['inputs'], given['data_samples'])
    torch.testing.assert_close(adapted, expected, rtol=1e-5, atol=1e-3)
    assert not adapter.is_identity


@pytest.mark.parametrize('ours, theirs', [(RGB, CAFFE), (CAFFE, RGB)])
def test_equals_a_segmentation_teachers_own_preprocessor(ours, theirs):
    student = SegDataPreProcessor(**ours, size=(64, 64))
    teacher = SegDataPreProcessor(**theirs, size=(64, 64))
    batch = tiny_models.segmentation_batch()
    sample = batch['data_samples'][0]
    sample.set_metainfo(dict(img_shape=(40, 48)))
    batch['inputs'][0] = batch['inputs'][0][:, :40, :48]
    labels = sample.gt_sem_seg.data[:, :40, :48]
    sample.gt_sem_seg = PixelData(data=labels)
    given = student(copy.deepcopy(batch), True)
    expected = teacher(batch, True)['inputs']
    adapted = TeacherInput(student, teacher)(
        given['inputs'], given['data_samples']
    )
    torch.testing.assert_close(adapted, expected, rtol=1e-5, atol=1e-3)


def test_same_normalisation_hands_the_batch_on_untouched():
    adapter = TeacherInput(
        DetDataPreprocessor(**RGB), DetDataPreprocessor(**RGB)
    )
    images = torch.rand(1, 3, 4, 4)
    assert adapter(images) is images


def test_student_batch_is_not_changed():
    adapter = TeacherInput(
        DetDataPreprocessor(**RGB), DetDataPreprocessor(**CAFFE)
    )
    images = torch.rand(1, 3, 4, 4)
    kept = images.clone()
    adapter(images)
    assert torch.equal(images, kept)


def test_algorithm_gives_the_teacher_its_own_normalisation():
    teacher = tiny_models.retinanet(16)
    teacher['data_preprocessor'].update(mean=[0.0] * 3, std=[255.0] * 3)
    model = MODELS.build(
        tiny_models.distillation(tiny_models.retinanet(), teacher)
    )
    seen = []
    model.teacher.backbone.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0])
    )
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    model(**data, mode='loss')
    expected = model.teacher.data_preprocessor(
        tiny_models.detection_batch(), True
    )['inputs']
    torch.testing.assert_close(seen[0], expected, rtol=1e-5, atol=1e-4)
