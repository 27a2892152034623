"""READMEs that are out of date are found, and brought up to date."""

import pytest

from cankd_mm.model_zoo import renew
from cankd_mm.model_zoo.readme import BEGIN, END

CONFIG = 'tat_retinanet-r101_retinanet-r50_2x_coco'
METAFILE = f"""
Models:
  - Name: {CONFIG}
    Config: configs/tat/{CONFIG}.py
"""


@pytest.fixture
def zoo(tmp_path):
    """One distillation, no baseline and no teacher; the tables are new."""
    for name in ('tat', 'baselines', 'teachers'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'README.md').write_text(
            f'# Before\n\n{BEGIN}\n{END}\n\nAfter.\n'
        )
    (tmp_path / 'tat' / f'{CONFIG}.py').touch()
    (tmp_path / 'tat' / 'metafile.yml').write_text(METAFILE)
    assert renew(tmp_path) == []
    return tmp_path


def test_writes_between_the_marks_alone(zoo):
    text = (zoo / 'tat' / 'README.md').read_text()
    assert text.startswith(f'# Before\n\n{BEGIN}\n\n### Detection\n')
    assert text.endswith(f'</details>\n\n{END}\n\nAfter.\n')
    assert renew(zoo, check=True) == []


@pytest.mark.parametrize('folder', ['tat', 'baselines', 'teachers'])
def test_stale_tables_are_found_and_renewed(zoo, folder):
    readme = zoo / folder / 'README.md'
    new = readme.read_text()
    stale = new.replace('Data set', 'Dataset')
    readme.write_text(stale)
    (found,) = renew(zoo, check=True)
    assert found.startswith(str(readme)) and 'stale' in found
    assert 'run python tools/model_zoo_tables.py' in found
    assert readme.read_text() == stale
    assert renew(zoo) == []
    assert readme.read_text() == new


def test_results_make_the_tables_stale(zoo):
    with (zoo / 'tat' / 'metafile.yml').open('a') as file:
        file.write('    Results: [{Metrics: {box AP: 38.0}}]\n')
    (found,) = renew(zoo, check=True)
    assert 'stale' in found
    assert renew(zoo) == []
    assert '38.0 box AP' in (zoo / 'tat' / 'README.md').read_text()


def test_new_baseline_makes_the_table_stale(zoo):
    (zoo / 'baselines' / 'retinanet-r50_2x_coco.py').touch()
    (found,) = renew(zoo, check=True)
    assert str(zoo / 'baselines') in found and 'stale' in found


def test_readme_without_marks_is_found(zoo):
    readme = zoo / 'teachers' / 'README.md'
    readme.write_text(readme.read_text().replace(END, ''))
    (found,) = renew(zoo)
    assert found.startswith(f'{readme}: has no lines')


def test_unknown_name_is_found(zoo):
    (zoo / 'baselines' / 'retinanet-r51_2x_coco.py').touch()
    (found,) = renew(zoo, check=True)
    assert "unknown model 'retinanet-r51'" in found


def test_entry_without_config_is_found(zoo):
    (zoo / 'tat' / f'{CONFIG}.py').unlink()
    (found,) = renew(zoo, check=True)
    assert f'lists {CONFIG}.py, which does not exist' in found


def test_config_without_entry_is_found(zoo):
    (zoo / 'tat' / 'new.py').touch()
    (found,) = renew(zoo, check=True)
    assert 'does not list new.py: add an entry' in found
