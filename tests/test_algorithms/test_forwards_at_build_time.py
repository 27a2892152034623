"""Building runs each model as seldom as it can."""

import pytest
from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from tests import local_models, tiny_models


def forwards(config, monkeypatch) -> dict[str, int]:
    """Return how often building a model runs student and teacher."""
    student = MODELS.build(config.pop('architecture'))
    teacher = MODELS.build(config.pop('teacher'))
    counts = dict(student=0, teacher=0)
    call = BaseModel.__call__

    def count(model, *args, **kwargs):
        # The teacher is a copy.
        counts['student' if model is student else 'teacher'] += 1
        return call(model, *args, **kwargs)

    monkeypatch.setattr(BaseModel, '__call__', count)
    MODELS.build({**config, 'architecture': student, 'teacher': teacher})
    return counts


@pytest.mark.parametrize(
    'options, teacher',
    [
        # Once to see what can be folded, once to see that it was right.
        ({}, 2),
        (dict(fold_teacher_norms=False), 1),
        # The comparison is in the weights' own precision.
        (dict(teacher_dtype='bfloat16'), 3),
        (dict(dry_run_size=None), 0),
    ],
)
def test_one_forward_serves_all(options, teacher, monkeypatch):
    config = tiny_models.retinanet_pair(**options)
    expected = dict(student=int(teacher > 0), teacher=teacher)
    assert forwards(dict(config), monkeypatch) == expected


def test_local_modules_are_found_in_the_same_forward(monkeypatch):
    config = local_models.distillation(
        local_models.FAMILIES['ResNet'], 'input'
    )
    assert forwards(dict(config), monkeypatch)['student'] == 1
