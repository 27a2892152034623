"""Bases of a config have imports of their own."""

import pytest
from mmengine.config import Config

from cankd_mm.compat import config_custom_imports
from tests.forked_tools import fork_tool_unchecked


def imports_of(folder, child: str = '', **bases: str) -> dict:
    for name, text in bases.items():
        (folder / f'{name}.py').write_text(text)
    config = folder / 'child.py'
    names = [f'{name}.py' for name in bases]
    config.write_text(f'_base_ = {names!r}\n{child}\n')
    return Config.fromfile(config, import_custom_modules=False)


def with_imports(*modules: str, failed: bool = False) -> str:
    return (
        f'custom_imports = dict(imports={list(modules)!r}, '
        f'allow_failed_imports={failed})\n'
    )


def test_not_needed_twice():
    assert not config_custom_imports.needed()


def test_imports_of_all_bases_are_there_in_their_order(tmp_path):
    cfg = imports_of(
        tmp_path,
        a=with_imports('json', 'csv'),
        b='x = 1',
        c=with_imports('cankd_mm', 'json', failed=True),
        d='y = 2',
    )
    assert cfg.custom_imports == dict(
        imports=['json', 'csv', 'cankd_mm'], allow_failed_imports=False
    )
    assert (cfg.x, cfg.y) == (1, 2)


def test_bases_of_bases_are_put_together_too(tmp_path):
    (tmp_path / 'root.py').write_text(with_imports('json'))
    cfg = imports_of(
        tmp_path, a="_base_ = ['root.py']", b=with_imports('cankd_mm')
    )
    assert cfg.custom_imports.imports == ['json', 'cankd_mm']


@pytest.mark.parametrize(
    'child, expected',
    [
        ("custom_imports = dict(imports=['re'])", ['re']),
        ("custom_imports = dict(_delete_=True, imports=['re'])", ['re']),
        (
            'custom_imports = dict(imports=_base_.custom_imports.imports + '
            "['re'])",
            ['json', 'cankd_mm', 're'],
        ),
    ],
)
def test_config_itself_has_the_last_word(child, expected, tmp_path):
    cfg = imports_of(
        tmp_path, child, a=with_imports('json'), b=with_imports('cankd_mm')
    )
    assert cfg.custom_imports.imports == expected
    assert '_delete_' not in cfg.custom_imports


def test_other_keys_of_two_bases_are_still_an_error(tmp_path):
    with pytest.raises(KeyError, match='Duplicate key'):
        imports_of(tmp_path, a='x = 1', b='x = 2')


def test_one_base_is_as_it_was(tmp_path):
    cfg = imports_of(tmp_path, a=with_imports('json', failed=True))
    assert cfg.custom_imports == dict(
        imports=['json'], allow_failed_imports=True
    )


def test_documented_recipe_starts_with_a_student_that_imports(tmp_path):
    (tmp_path / 'my_student.py').write_text(
        "_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py']\n"
        + with_imports('json')
    )
    pair = tmp_path / 'my_pair.py'
    pair.write_text(
        """
_base_ = [
    './my_student.py',
    'cankd_mm::_base_/distillers/cankd_fpn.py',
    'cankd_mm::_base_/cankd_mm.py',
]
model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'),
    allow_random_teacher=True,
    distiller=_base_.distiller,
)
default_hooks = _base_.distillation_hooks
"""
    )
    code, output = fork_tool_unchecked('check_config.py', pair)
    assert code == 0, output[-2000:]
    assert 'Duplicate key' not in output


@pytest.mark.parametrize('base', ['', "_base_ = ['base.py']\n"])
def test_a_config_that_a_config_reads_keeps_its_imports(base, tmp_path):
    (tmp_path / 'base.py').write_text('y = 1\n')
    other = tmp_path / 'other.py'
    other.write_text(with_imports('json'))
    config = tmp_path / 'config.py'
    config.write_text(
        f'{base}from mmengine.config import Config\n'
        f'found = Config.fromfile({str(other)!r}).custom_imports.imports\n'
    )
    assert Config.fromfile(config).found == ['json']
