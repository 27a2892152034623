"""The enumeration of config families."""

from pathlib import Path

import pytest

from tests.families import catalog, report

PAGE = Path(__file__).parents[2] / 'docs/families.md'
NO_MODEL = {'_base_', 'common'}


@pytest.mark.parametrize('package', catalog.PACKAGES)
def test_every_folder_with_a_model_is_a_family(package):
    folders = {f.name for f in catalog.root(package).iterdir() if f.is_dir()}
    found = [f.folder for f in catalog.families() if f.package == package]
    assert sorted(found) == sorted(folders - NO_MODEL)


def test_the_typical_config_is_in_the_folder():
    for family in catalog.families():
        assert family.config.is_file()
        assert family.config.parent.name == family.folder
        assert not family.config.stem.endswith('_tta')


def test_pinned_configs_exist():
    chosen = {family.name: family.config.name for family in catalog.families()}
    for name, config in catalog.TYPICAL.items():
        assert chosen[name] == config


def _write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f'{name}.py').write_text(text)
    return folder


def test_a_small_model_on_usual_data_with_a_short_name_is_typical(tmp_path):
    _write(
        tmp_path,
        a_r101_coco='',
        a_r50_coco='',
        a_r50_lsj_coco='',
        a_r50_x='',
        a_tta='',
    )
    assert catalog.typical('mmdet', tmp_path).stem == 'a_r50_coco'
    _write(tmp_path, a_tiny_coco_long_name='')
    assert catalog.typical('mmdet', tmp_path).stem == 'a_tiny_coco_long_name'


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('model = dict()', True),
        ("_base_ = '../fcos/fcos_r50.py'", True),
        ("_base_ = [\n '../_base_/models/fcn.py', 'x.py'\n]", True),
        ("_base_ = '../_base_/default_runtime.py'\ndata = 1", False),
        ("_base_ = './other.py'", False),
    ],
)
def test_a_folder_without_a_model_is_no_family(tmp_path, text, expected):
    assert catalog.is_family(_write(tmp_path, config=text)) is expected


def test_the_documented_table_has_every_family():
    table = PAGE.read_text().partition(report.BEGIN)[2]
    rows = [
        line.split('|')[1].strip()
        for line in table.splitlines()
        if line.startswith(('| mmdet/', '| mmseg/'))
    ]
    assert rows == [family.name for family in catalog.families()]
