"""Weights, features and losses that are not finite are found when built."""

import math

import pytest
import torch
from mmrazor.registry import MODELS
from torch import nn

from tests import tiny_models

NAN, INF = math.nan, math.inf


def _teacher(spoil=lambda state: None) -> nn.Module:
    """A built teacher with some of its tensors changed."""
    torch.manual_seed(0)
    teacher = MODELS.build(tiny_models.fcn())
    teacher.init_weights()
    spoil(teacher.state_dict())
    return teacher


def _one_nan(state: dict) -> None:
    state['backbone.layer2.0.conv1.weight'][0, 0, 0, 0] = NAN


def _saved(tmp_path, spoil=_one_nan) -> str:
    path = tmp_path / 'spoilt.pth'
    torch.save(dict(state_dict=_teacher(spoil).state_dict()), path)
    return str(path)


def test_teacher_file_with_one_nan_is_an_error_that_names_it(tmp_path):
    path = _saved(tmp_path)
    with pytest.raises(ValueError) as error:
        MODELS.build(tiny_models.fcn_pair(teacher_ckpt=path))
    message = str(error.value)
    assert f'model.teacher_ckpt={path!r}' in message
    assert 'backbone.layer2.0.conv1.weight (1 NaN of 1152)' in message


@pytest.mark.parametrize('weight', [1.0, 0.0])
def test_student_file_with_one_nan_is_an_error_whatever_the_weight(
    tmp_path, weight
):
    path = _saved(tmp_path)
    config = tiny_models.fcn_pair(student_ckpt=path, distill_weight=weight)
    with pytest.raises(ValueError, match='student_ckpt.*1 tensor with NaN'):
        MODELS.build(config)


def test_inherited_weights_are_finite(tmp_path):
    config = tiny_models.fcn_pair(
        teacher_ckpt=_saved(tmp_path), inherit=['backbone'], distill_weight=0.0
    )
    with pytest.raises(ValueError, match='model.inherit.*1 tensor with NaN'):
        MODELS.build(config)


# What only a forward shows: the teacher's weights are finite.
def _negative_variance(state: dict) -> None:
    state['backbone.layer4.0.bn1.running_var'].fill_(-1.0)


def _overflow(state: dict) -> None:
    state['backbone.layer4.1.bn2.weight'].fill_(3e38)
    state['backbone.layer4.1.bn2.bias'].fill_(3e38)


@pytest.mark.parametrize('spoil', [_negative_variance, _overflow])
@pytest.mark.parametrize('folded', [True, False])
def test_features_that_are_not_finite_name_recorder_and_loss(spoil, folded):
    config = tiny_models.fcn_pair(fold_teacher_norms=folded)
    config.teacher = _teacher(spoil)
    with pytest.raises(ValueError) as error:
        MODELS.build(config)
    message = str(error.value)
    assert "teacher_recorders.features.source='backbone.layer4'" in message
    assert 'read by loss_distill' in message
    assert 'of 4096 values' in message
    assert 'model.teacher_ckpt' in message


def test_overflow_of_float16_has_its_own_remedy():
    def large(state: dict) -> None:
        state['backbone.layer4.1.bn2.bias'].fill_(60000.0)
        state['backbone.layer4.1.bn2.weight'].fill_(60000.0)

    config = tiny_models.fcn_pair(teacher_dtype='float16')
    config.teacher = _teacher(large)
    with pytest.raises(ValueError, match="teacher_dtype='bfloat16'"):
        MODELS.build(config)


def test_student_that_has_its_weights_is_finite():
    config = tiny_models.fcn_pair()
    config.architecture = _teacher(_negative_variance)
    with pytest.raises(ValueError, match='student_recorders.features'):
        MODELS.build(config)


def test_student_that_waits_for_its_weights_is_warned_of(logged):
    config = tiny_models.fcn_pair()
    student = MODELS.build(tiny_models.fcn())
    _negative_variance(student.state_dict())
    config.architecture = student
    MODELS.build(config)
    assert any('student_recorders.features' in line for line in logged)


@MODELS.register_module(force=True)
class InfiniteLoss(nn.Module):
    """Not finite for finite features."""

    def forward(self, s_feature, t_feature):
        return s_feature.mean() / 0.0


def test_loss_that_is_not_finite_is_named():
    config = tiny_models.fcn_pair()
    config.distiller.distill_losses.loss_distill = dict(
        type='mmrazor.InfiniteLoss'
    )
    config.architecture = _teacher()
    with pytest.raises(ValueError, match=r'distill_losses.loss_distill is'):
        MODELS.build(config)


# ------------------------------------------------- a teacher that is not used


def _raise(*_):
    raise RuntimeError('no forward')


def _raising() -> nn.Module:
    teacher = _teacher()
    teacher.backbone.layer1.register_forward_pre_hook(_raise)
    return teacher


@pytest.mark.parametrize(
    'kind', ['FrozenTeacherDistill', 'LocalModuleDistill']
)
@pytest.mark.parametrize(
    'teacher, warned',
    [
        (lambda: _teacher(_one_nan), 'teacher_recorders.features'),
        (lambda: _teacher(_overflow), 'teacher_recorders.features'),
        (_raising, 'no forward'),
    ],
    ids=['NaN', 'infinite', 'raising'],
)
def test_weight_of_0_makes_them_warnings(kind, teacher, warned, logged):
    config = tiny_models.fcn_pair(distill_weight=0.0)
    config.teacher = teacher()
    config.type = f'mmrazor.{kind}'
    model = MODELS.build(config)
    warnings = [line for line in logged if warned in line]
    assert warnings and all('distill_weight=0' in line for line in warnings)
    model.init_weights()
    data = model.data_preprocessor(tiny_models.segmentation_batch(), True)
    total, _ = model.parse_losses(model.train()(**data, mode='loss'))
    assert total.isfinite()
    model.distill_weight = 1.0
    for _ in range(2):
        with pytest.raises(ValueError, match=warned):
            model(**data, mode='loss')


def test_teacher_without_fault_is_used_once_the_weight_is_positive():
    config = tiny_models.fcn_pair(distill_weight=0.0)
    config.teacher = _teacher()
    model = MODELS.build(config)
    model.init_weights()
    model.distill_weight = 1.0
    data = model.data_preprocessor(tiny_models.segmentation_batch(), True)
    total, _ = model.parse_losses(model.train()(**data, mode='loss'))
    assert total.isfinite()


def test_weight_of_0_makes_a_file_with_nan_a_warning(tmp_path, logged):
    path = _saved(tmp_path)
    model = MODELS.build(
        tiny_models.fcn_pair(teacher_ckpt=path, distill_weight=0.0)
    )
    assert any(
        'model.teacher_ckpt' in line and '1 NaN of 1152' in line
        for line in logged
    )
    model.init_weights()
    model.distill_weight = 1.0
    data = model.data_preprocessor(tiny_models.segmentation_batch(), True)
    with pytest.raises(ValueError, match='1 NaN of 1152'):
        model.train()(**data, mode='loss')
