"""The plain student is what the distillation trains."""

from mmengine.config import Config

from cankd_mm.utils.distillation_config import plain_student_config
from tests import tiny_models


def test_student_takes_the_preprocessor_of_the_algorithm():
    preprocessor = dict(type='DetDataPreprocessor', mean=[1.0] * 3)
    model = tiny_models.distillation(
        tiny_models.retinanet(),
        tiny_models.retinanet(),
        data_preprocessor=preprocessor,
    )
    cfg = Config(dict(model=model, default_scope='mmdet'))
    plain = plain_student_config(cfg)
    assert plain.model.data_preprocessor == preprocessor
    assert plain.model.type == 'RetinaNet'
    cfg.model.pop('data_preprocessor')
    own = cfg.model.architecture.get('data_preprocessor')
    assert plain_student_config(cfg).model.get('data_preprocessor') == own
