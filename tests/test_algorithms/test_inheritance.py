"""A student starts from parts of its teacher, explicitly and in full."""

import pytest
import torch
from mmrazor.registry import MODELS

from tests import tiny_models


def _state(module) -> dict:
    return module.state_dict()


def test_named_modules_equal_the_teachers_after_initialisation():
    model = MODELS.build(
        tiny_models.distillation(
            tiny_models.retinanet(),
            tiny_models.retinanet(),
            inherit=['bbox_head'],
            teacher_dtype='bfloat16',
        )
    )
    # The teacher was built in float32 and inherited from as such.
    expected = {k: v.clone() for k, v in model._inherited.items()}
    model.init_weights()
    assert len(expected) == len(_state(model.student.bbox_head))
    for name, value in _state(model.student.bbox_head).items():
        assert torch.equal(value, expected[f'bbox_head.{name}'])
        assert value.dtype == torch.float32
    assert not torch.equal(
        model.student.neck.fpn_convs[0].conv.weight,
        model.teacher.neck.fpn_convs[0].conv.weight.float(),
    )


def test_names_may_differ_between_student_and_teacher():
    model = MODELS.build(
        tiny_models.distillation(
            tiny_models.retinanet(),
            tiny_models.retinanet(),
            inherit={'neck.fpn_convs.0': 'neck.fpn_convs.1'},
        )
    )
    model.init_weights()
    assert torch.equal(
        model.student.neck.fpn_convs[0].conv.weight,
        model.teacher.neck.fpn_convs[1].conv.weight,
    )


def test_other_shapes_are_an_error_that_lists_them():
    with pytest.raises(ValueError, match='model.inherit') as error:
        MODELS.build(
            tiny_models.distillation(
                tiny_models.retinanet(),
                tiny_models.retinanet(num_classes=5),
                inherit=['bbox_head'],
            )
        )
    assert 'bbox_head.retina_cls.weight' in str(error.value)
    assert '(5, 16, 3, 3)' in str(error.value)


def test_unknown_module_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'head', which is not in"):
        MODELS.build(
            tiny_models.distillation(
                tiny_models.retinanet(),
                tiny_models.retinanet(),
                inherit=['head'],
            )
        )
