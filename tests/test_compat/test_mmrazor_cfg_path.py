"""MMRazor's algorithms take local config files and nested overrides."""

import pytest
from mmrazor.registry import MODELS

from cankd_mm.compat import mmrazor_cfg_path
from tests import tiny_models


def _refuse(cfg, registry, default_args=None):
    raise ValueError('is used for get external package')


def _miss(cfg, registry, default_args=None):
    raise FileNotFoundError(cfg['cfg_path'])


def test_needed_where_local_files_are_refused_for_their_name(monkeypatch):
    monkeypatch.setattr(MODELS, 'build_func', _refuse)
    assert mmrazor_cfg_path.needed()


def test_not_needed_where_the_file_is_looked_for(monkeypatch):
    monkeypatch.setattr(MODELS, 'build_func', _miss)
    assert not mmrazor_cfg_path.needed()


def test_not_needed_twice():
    assert not mmrazor_cfg_path.needed()


@pytest.mark.parametrize('algorithm', ['SingleTeacher', 'FpnTeacher'])
def test_mmrazors_algorithms_build_from_local_files(algorithm, tmp_path):
    file = tmp_path / 'student.py'
    file.write_text(
        "default_scope = 'mmdet'\n"
        f'model = {tiny_models.retinanet().to_dict()!r}\n'
    )
    model = MODELS.build(
        dict(
            _scope_='mmrazor',
            type=f'{algorithm}Distill',
            architecture=dict(
                cfg_path=str(file), bbox_head=dict(num_classes=7)
            ),
            teacher=dict(cfg_path=str(file)),
            distiller=dict(type='ConfigurableDistiller'),
        )
    )
    assert model.student.bbox_head.num_classes == 7
    assert model.teacher.bbox_head.num_classes == 3


def test_other_configs_go_to_mmrazors_own_builder():
    model = MODELS.build(tiny_models.retinanet())
    assert type(model).__name__ == 'RetinaNet'
