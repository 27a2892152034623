"""Config texts are parsed to what executing them would give, or refused."""

import math
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from cankd_mm.checkpoint.config_text import ConfigTextError, parse_config_text
from tests.commands import ROOT

OURS = sorted((ROOT / 'configs').rglob('*.py'))
THEIRS = [
    ('mmdet', 'retinanet/retinanet_r50_fpn_1x_coco.py'),
    ('mmdet', 'lvis/mask-rcnn_r101_fpn_sample1e-3_ms-1x_lvis-v1.py'),
    ('mmdet', 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py'),
    ('mmdet', 'solov2/solov2_r50_fpn_1x_coco.py'),
    ('mmdet', 'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py'),
    ('mmdet', 'openimages/retinanet_r50_fpn_32xb2-1x_openimages.py'),
    ('mmseg', 'pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py'),
    ('mmseg', 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'),
    ('mmseg', 'san/san-vit-b16_coco-stuff164k-640x640.py'),
    (
        'mmrazor',
        'pruning/mmseg/dcff/dcff_pointrend_resnet50_8xb2_cityscapes.py',
    ),
]


def parse(text: str, file_format: str = '.py') -> dict:
    config = parse_config_text(text, 'a.pth', file_format)
    return config._cfg_dict.to_dict()


def assert_the_same(path: Path) -> None:
    config = Config.fromfile(path)
    assert parse(config.pretty_text) == config._cfg_dict.to_dict()


def test_configs_of_this_repository_are_read_back():
    with_paths_as_keys = [p for p in OURS if 'inherit' in p.stem]
    for path in [*OURS[::10], *with_paths_as_keys[:1]]:
        assert_the_same(path)


@pytest.mark.slow
def test_every_config_of_this_repository_is_read_back():
    assert len(OURS) > 100
    for path in OURS:
        assert_the_same(path)


@pytest.mark.parametrize(('package', 'path'), THEIRS)
def test_configs_of_the_task_libraries_are_read_back(package, path):
    module = pytest.importorskip(package)
    file = Path(module.__file__).parent / '.mim' / 'configs' / path
    assert_the_same(file)


def test_a_formatted_text_is_read_back(monkeypatch):
    """As YAPF lays it out, which other tests leave out."""
    import importlib

    from yapf.yapflib import yapf_api

    importlib.reload(yapf_api)
    path = ROOT / 'configs' / 'digits' / 'cankd_retinanet.py'
    assert_the_same(path)


VALUES = [
    ('1', 1),
    ('-1', -1),
    ('+1.5', 1.5),
    ('-1e-3', -1e-3),
    ('-inf', -math.inf),
    ('1j', 1j),
    ('True', True),
    ('None', None),
    ("b'x'", b'x'),
    ("'a' 'b'", 'ab'),
    ("'{{ fileDirname }}/{{$HOME:x}}'", '{{ fileDirname }}/{{$HOME:x}}'),
    ('()', ()),
    ('(1,)', (1,)),
    ('[1, (2, [3])]', [1, (2, [3])]),
    ('{1, 2}', {1, 2}),
    ('set()', set()),
    ('{}', {}),
    ("{'a-b': 1, 2: 3, **{'c': 4}}", {'a-b': 1, 2: 3, 'c': 4}),
    ('dict()', {}),
    ("dict(a=1, **{'b-c': 2})", {'a': 1, 'b-c': 2}),
    ("dict({'a.b': 1})", {'a.b': 1}),
]


@pytest.mark.parametrize(('text', 'value'), VALUES)
def test_values(text, value):
    found = parse(f'a = {text}')['a']
    assert found == value and type(found) is type(value)


def test_not_a_number():
    assert math.isnan(parse('a = nan')['a'])


def test_names_that_a_config_drops_are_dropped():
    assert parse('__a__ = 1\nb = 2\nb = 3') == {'b': 3}


REFUSED = [
    ('import os', 'an import'),
    ('a = 1\nfrom os import system', 'line 2: found an import'),
    ('a = f()', 'a call'),
    ('a = dict(1)', 'a call'),
    ('a = dict([(1, 2)])', 'a call'),
    ('a = set([1])', 'a call'),
    ('a = float("inf")', 'a call'),
    ('a = b', 'the name of a variable'),
    ('a = b.c', 'an attribute'),
    ('a = [1][0]', 'a subscript'),
    ("a = f'{1}'", 'an f-string'),
    ('a = [i for i in ()]', 'a comprehension'),
    ('a = {i: 1 for i in ()}', 'a comprehension'),
    ('a = (i for i in ())', 'a comprehension'),
    ('a = lambda: 1', 'a lambda'),
    ('a = 1 + 1', 'an operator'),
    ('a = not 1', 'an operator'),
    ('a = ~1', 'an operator'),
    ("a = -'a'", 'an operator'),
    ('a = 1 < 2', 'an operator'),
    ('a = 1 and 2', 'an operator'),
    ('a = 1 if 1 else 2', 'a condition'),
    ('a = (b := 1)', 'an assignment in an expression'),
    ('a = [*()]', 'an unpacked value'),
    ('a = ...', 'an ellipsis'),
    ('a = {[]: 1}', 'a list as a key'),
    ('a = {{}}', 'a dict as a key or in a set'),
    ('a = {**1}', r'`\*\*` of a int'),
    ('a = dict(b=1, b=2)', "the keyword 'b' twice"),
    ('a: int = 1', 'an annotation'),
    ('a += 1', 'an assignment with an operator'),
    ('a, b = 1, 2', 'something else than one name'),
    ('a = b = 1', 'something else than one name'),
    ('a.b = 1', 'something else than one name'),
    ('1', 'an expression without a name'),
    ('def f(): pass', 'a function'),
    ('class A: pass', 'a class'),
    ('with read_base():\n    pass', 'a with statement'),
    ('for a in (): pass', 'a loop'),
    ('if 1: pass', 'a condition'),
    ('del a', 'a del statement'),
    ('raise A', 'Raise'),
    ("_base_ = 'a.py'", '_base_'),
    ('filename = 1', "'filename'"),
    ('a = ', 'line 1: found text that is no config'),
    ('a = \0', 'found text that is no config'),
    ("a = '\ud800'", 'found text that is no config'),
    ('a = ' + '9' * 5000, 'found text that is no config'),
]


@pytest.mark.parametrize(('text', 'found'), REFUSED)
def test_anything_else_is_refused_by_name(text, found):
    with pytest.raises(ConfigTextError, match=found) as error:
        parse_config_text(text, "a.pth: meta['cfg']")
    for part in ("a.pth: meta['cfg']", 'never executed', 'Config.fromfile'):
        assert part in str(error.value)


DEEP = {
    'lists': 'a = ' + '[' * 150 + ']' * 150,
    'more lists': 'a = ' + '[' * 100_000,
    'dicts': 'a = ' + 'dict(b=' * 150 + '1' + ')' * 150,
    'signs': 'a = ' + '-' * 100_000 + '1',
    'nots': 'a = ' + 'not ' * 100_000 + '1',
    'sums': 'a = ' + '1+' * 100_000 + '1',
    'attributes': 'a = ' + 'b.' * 100_000 + 'b',
    'lambdas': 'a = ' + 'lambda:' * 100_000 + '1',
    'conditions': 'a = ' + '1 if 1 else ' * 50_000 + '1',
    'f-strings': 'a = ' + "f'{" * 1000,
    'blocks': ''.join(f'{" " * n}if 1:\n' for n in range(120)),
}


@pytest.mark.parametrize('kind', DEEP)
def test_what_is_nested_without_end_is_refused(kind):
    with pytest.raises(ConfigTextError, match='a.pth'):
        parse(DEEP[kind])


@pytest.mark.parametrize('text', [None, 1, b'a = 1', ['a = 1'], {'a': 1}])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(ConfigTextError, match=type(text).__name__):
        parse(text)


def test_a_huge_text_is_refused():
    with pytest.raises(ConfigTextError, match='3,000,006 characters'):
        parse(f"a = '{'x' * 3_000_000}'")


def test_modules_of_custom_imports_are_named_and_not_imported(
    tmp_path, monkeypatch, logged
):
    (tmp_path / 'module_of_a_checkpoint.py').write_text('')
    monkeypatch.syspath_prepend(tmp_path)
    text = "custom_imports = dict(imports=['os', 'module_of_a_checkpoint'])"
    assert parse(text)['custom_imports']['imports'][0] == 'os'
    assert 'module_of_a_checkpoint' not in sys.modules
    (message,) = logged
    assert message.endswith('import them first: module_of_a_checkpoint')


@pytest.mark.parametrize('value', ['1', '[1]', "dict(imports={'a': 1})"])
def test_custom_imports_of_another_form_import_nothing(value):
    parse(f'custom_imports = {value}')


def test_json_is_read():
    assert parse('{"a": [1, {"b": null}]}', '.json') == {'a': [1, {'b': None}]}


def test_yaml_is_read_with_tuples():
    text = 'a: !!python/tuple [1, 2]\nb: {c: [d]}'
    assert parse(text, '.yaml') == {'a': (1, 2), 'b': {'c': ['d']}}


@pytest.mark.parametrize(
    'text',
    [
        'a: !!python/name:os.system',
        'a: !!python/object/apply:os.getcwd []',
        'a: &b [1]\nc: *b',
        '? [1]\n: 2',
        '[1]',
        'a: ' + '[' * 10_000,
        'a: [',
    ],
)
def test_other_yaml_is_refused(text):
    with pytest.raises(ConfigTextError, match='a.pth'):
        parse(text, '.yaml')


@pytest.mark.parametrize('text', ['[1]', '{', '[' * 100_000, '{"_base_": 1}'])
def test_other_json_is_refused(text):
    with pytest.raises(ConfigTextError, match='a.pth'):
        parse(text, '.json')


@pytest.mark.parametrize('file_format', ['.py', '.json', '.yaml'])
def test_deep_text_cannot_exhaust_the_stack(file_format):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        with pytest.raises(ConfigTextError, match='too deeply'):
            parse('[' * 100_000, file_format)
    finally:
        sys.setrecursionlimit(limit)


def test_another_format_is_an_error():
    with pytest.raises(OSError, match='Only py/yml/yaml/json'):
        parse('a = 1', '.toml')
