"""Config paths of packages. Our own configs: tests/test_packaging.py."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.hub import get_config

import cankd_mm
from cankd_mm.compat import config_scopes

DETECTOR = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
SEGMENTOR = 'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'


@pytest.mark.parametrize(
    ('path', 'model'), [(DETECTOR, 'RetinaNet'), (SEGMENTOR, 'EncoderDecoder')]
)
def test_a_config_of_a_task_library_is_a_base(path, model, tmp_path):
    file = tmp_path / 'config.py'
    file.write_text(f'_base_ = [{path!r}]\n')
    config = Config.fromfile(file)
    assert config.model.type == model
    assert config.model._scope_ == path.partition('::')[0]


@pytest.mark.parametrize('path', [DETECTOR, SEGMENTOR])
def test_the_hub_finds_a_config_of_a_task_library(path):
    assert 'model' in get_config(path)


def test_needed_where_the_listed_distribution_is_not_the_installed_one(
    monkeypatch,
):
    monkeypatch.setitem(MODULE2PACKAGE, 'mmseg', 'no-such-distribution')
    assert config_scopes.needed()
    config_scopes.apply()
    assert MODULE2PACKAGE['mmseg'] == 'mmseg'
    assert not config_scopes.needed()


def test_a_listed_distribution_that_is_installed_is_kept(monkeypatch):
    monkeypatch.setitem(MODULE2PACKAGE, 'mmseg', 'pytest')
    assert not config_scopes.needed()
    config_scopes.apply()
    assert MODULE2PACKAGE['mmseg'] == 'pytest'


def test_a_module_that_is_not_installed_is_kept(monkeypatch):
    monkeypatch.setitem(MODULE2PACKAGE, 'no_such_module', 'no-such-project')
    assert not config_scopes.needed()


def test_needed_where_mmengine_does_not_list_us(monkeypatch):
    assert not config_scopes.needed()
    monkeypatch.delitem(MODULE2PACKAGE, 'cankd_mm')
    assert config_scopes.needed()


@pytest.mark.skipif(
    not (Path(cankd_mm.__file__).parent / '.mim').exists(),
    reason='this checkout is not installed (pip install -e .)',
)
def test_our_configs_are_found_in_an_editable_install(tmp_path):
    path = 'cankd_mm::digits/baseline_retinanet.py'
    file = tmp_path / 'config.py'
    file.write_text(f'_base_ = [{path!r}]\n')
    config = Config.fromfile(file)
    assert config.model.type.endswith('RetinaNet')
    assert "'cankd_mm'" not in repr(config.get('_scope_', config.model))
    assert 'model' in get_config(path)
