"""A distill loss that cannot reach the student is an error."""

import pytest
from mmrazor.registry import MODELS

from tests import tiny_models


def built(student: dict, **options):
    model = MODELS.build(
        tiny_models.distillation(student, tiny_models.retinanet(), **options)
    )
    model.init_weights()
    return model.train()


def losses_of(model) -> dict:
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    return model(**data, mode='loss')


def frozen() -> dict:
    student = tiny_models.retinanet()
    student.backbone.frozen_stages = 4
    return student


def checkpointed() -> dict:
    student = tiny_models.retinanet()
    student.backbone.with_cp = True
    return student


@pytest.mark.parametrize(
    'student, source',
    [
        (frozen(), 'backbone.layer4'),
        (checkpointed(), 'backbone.layer4.1.conv2'),
    ],
)
@pytest.mark.parametrize(
    'loss',
    [
        dict(type='mmrazor.L2Loss'),
        # Its own parameters do have a gradient.
        dict(type='mmrazor.CanKDLoss', in_channels=64),
    ],
)
def test_frozen_and_checkpointed_records_are_refused(student, source, loss):
    model = built(student, source=source, loss=loss)
    with pytest.raises(RuntimeError, match='loss_distill.*has a gradient'):
        losses_of(model)
    model.eval()
    assert 'distill.loss_distill' in losses_of(model)


@pytest.mark.parametrize(
    'student, source', [(frozen(), 'neck'), (checkpointed(), 'backbone')]
)
def test_what_lies_behind_is_fine(student, source):
    loss = dict(type='mmrazor.CanKDLoss', in_channels=16, num_levels=2)
    if source == 'backbone':
        loss = dict(type='mmrazor.CanKDLoss', in_channels=8)
    model = built(student, source=source, loss=loss)
    assert losses_of(model)['distill.loss_distill'].requires_grad
