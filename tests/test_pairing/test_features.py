import pytest
import torch
from mmengine.config import ConfigDict

from cankd_mm.pairing.features import student_features, teacher_features
from tests.test_pairing.models import (
    DDRNET,
    FASTER_RCNN,
    PIDNET,
    RETINANET,
    VIT,
    model,
    student,
    teacher,
)


def test_levels_have_the_strides_and_channels_of_the_pyramid():
    levels = student(RETINANET).maps('neck')
    assert [level.stride for level in levels] == [8, 16, 32, 64, 128]
    assert {level.channels for level in levels} == {256}
    assert levels[0].grid == (64, 64)
    assert [level.index for level in levels] == [0, 1, 2, 3, 4]


def test_no_gradient_reaches_frozen_stages():
    gradients = [m.has_gradient for m in student(RETINANET).maps('backbone')]
    assert gradients == [False, True, True, True]


def test_a_teacher_has_no_gradients():
    levels = teacher(RETINANET).maps('neck')
    assert [level.has_gradient for level in levels] == [None] * 5


def test_a_stage_is_known_by_the_module_that_returns_it():
    levels = student(RETINANET).maps('backbone')
    assert [level.aliases[0] for level in levels] == [
        f'backbone.layer{i}' for i in (1, 2, 3, 4)
    ]


def test_calls_of_a_shared_head_are_counted():
    features = student(RETINANET).features
    assert features['neck'].calls == 1
    assert features['bbox_head.retina_cls'].calls == 5


@pytest.mark.parametrize('path, index', [(DDRNET, 1), (PIDNET, 1)])
def test_of_more_maps_in_training_those_of_evaluation_are_kept(path, index):
    (level,) = student(path).maps('backbone')
    (evaluated,) = teacher(path).maps('backbone')
    assert level.index == index
    assert evaluated.index is None
    assert level.shape == evaluated.shape


def test_what_is_called_before_a_failure_is_listed():
    found = student(FASTER_RCNN)
    assert 'meta' in found.failure
    assert [level.stride for level in found.maps('neck')] == [4, 8, 16, 32, 64]


def test_a_whole_forward_runs_with_weights_where_it_must():
    found = model(FASTER_RCNN)
    whole = student_features(found.config, found.scope, (128, 128), whole=True)
    assert not whole.failure
    assert 'rpn_head.rpn_cls' in whole.features
    # Regions are no maps of the image.
    assert whole.maps('roi_head.bbox_roi_extractor') == ()


def test_tokens_are_listed_as_such():
    level = student(VIT).features['backbone.layers.0'].levels[0]
    assert not level.is_map
    assert level.channels == 768


def test_the_image_has_the_size_that_the_recipe_pads_to():
    assert student(PIDNET).size == (1024, 1024)
    assert student(RETINANET).size == (512, 512)


def test_random_numbers_and_default_gradients_stay_as_they_were():
    found = model(RETINANET)
    state = torch.random.get_rng_state()
    teacher_features(found.config, found.scope, (64, 64))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.is_grad_enabled()


def test_a_model_that_cannot_be_built_is_named():
    config = ConfigDict(type='RetinaNet', backbone=dict(type='ResNet'))
    with pytest.raises(
        ValueError, match='cannot be built: TypeError: RetinaNet'
    ):
        student_features(config, 'mmdet')
