"""The plain student is what the distillation trains."""

import pytest
from mmengine.config import Config

from cankd_mm.utils.distillation_config import plain_student_config
from tests import tiny_models

PREPROCESSOR = dict(type='DetDataPreprocessor', mean=[1.0] * 3)


def _plain(kind: str, own: bool):
    model = tiny_models.distillation(
        tiny_models.retinanet(),
        tiny_models.retinanet(),
        data_preprocessor=PREPROCESSOR,
    )
    model.type = kind
    if not own:
        del model.architecture['data_preprocessor']
    cfg = Config(dict(model=model, default_scope='mmdet'))
    return plain_student_config(cfg).model


def test_student_keeps_its_own_preprocessor():
    plain = _plain('mmrazor.FrozenTeacherDistill', own=True)
    assert plain.type == 'RetinaNet'
    own = tiny_models.retinanet().data_preprocessor
    assert plain.data_preprocessor == own != PREPROCESSOR


@pytest.mark.parametrize(
    'kind, own',
    [
        ('mmrazor.FrozenTeacherDistill', False),
        # MMRazor's algorithms use theirs.
        ('mmrazor.SingleTeacherDistill', True),
        ('mmrazor.SingleTeacherDistill', False),
    ],
)
def test_student_takes_the_preprocessor_of_the_algorithm(kind, own):
    assert _plain(kind, own).data_preprocessor == PREPROCESSOR
