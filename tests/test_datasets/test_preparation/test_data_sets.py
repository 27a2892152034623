"""What is true of every data set."""

import re

import pytest
from mmengine.config import Config

from cankd_mm.datasets.preparation import DATA_SETS, Options, prepare
from tests.commands import ROOT
from tests.test_datasets.test_preparation.miniatures import make, snapshot

#: Files that are made of each miniature: label maps; lists; places of images.
MADE = dict(
    coco=0,
    voc=0,
    voc_aug=5 + 2,
    cocostuff10k=3 + 3,
    cocostuff164k=3,
    cityscapes=3,
)


@pytest.mark.parametrize('name', DATA_SETS)
def test_a_second_run_makes_and_changes_nothing(name, tmp_path):
    root = make(name, tmp_path)
    originals = snapshot(tmp_path)
    first = prepare(name, root)
    assert first.ready, first.as_text()
    assert first.converted == MADE[name]
    made = snapshot(tmp_path)
    assert len(made) == len(originals) + MADE[name]
    assert {path: made[path] for path in originals} == originals
    second = prepare(name, root)
    assert second.ready
    assert second.converted == 0
    assert snapshot(tmp_path) == made
    assert second.counts == first.counts


@pytest.mark.parametrize('name', DATA_SETS)
def test_check_only_writes_nothing(name, tmp_path):
    root = make(name, tmp_path)
    originals = snapshot(tmp_path)
    report = prepare(name, root, Options(check_only=True))
    assert report.ready == (MADE[name] == 0)
    assert snapshot(tmp_path) == originals
    for problem in report.problems:
        assert 'converted yet' in problem.text or 'made yet' in problem.text
        assert problem.remedy == 'run this command without --check-only'


@pytest.mark.parametrize('name', DATA_SETS)
def test_a_missing_folder_says_what_to_get_and_where(name, tmp_path):
    report = prepare(name, tmp_path / 'nothing')
    assert not report.ready
    for problem in report.problems:
        assert re.search(r'get \S+\.(zip|tar) \(http', problem.remedy)
    assert DATA_SETS[name].url in report.as_text()


@pytest.mark.parametrize('name', DATA_SETS)
def test_one_level_too_high_or_too_low_is_told(name, tmp_path):
    root = make(name, tmp_path)
    expected = f'run this command on {root}'
    inside = next(path for path in sorted(root.iterdir()) if path.is_dir())
    for folder, level in ((root.parent, 'high'), (inside, 'low')):
        (problem,) = prepare(name, folder).problems
        assert f'{folder} is on too {level} a level' in problem.text
        assert problem.remedy == expected


@pytest.mark.parametrize('name', DATA_SETS)
@pytest.mark.parametrize('folder', ['', 'photos', 'photos/train'])
def test_other_data_are_to_be_prepared_as_ones_own(name, folder, tmp_path):
    root = tmp_path / 'my data'
    (root / folder).mkdir(parents=True)
    (root / folder / 'a.JPG').touch()
    (problem,) = prepare(name, root).problems
    assert f'not laid out as {DATA_SETS[name].title}' in problem.text
    task = 'detection' if name in ('coco', 'voc') else 'segmentation'
    assert problem.remedy.endswith(
        f"python tools/prepare_data.py {task} '{root}'"
    )


def test_the_devkit_is_not_taken_for_its_older_year(tmp_path):
    make('voc', tmp_path)
    devkit = make('voc_aug', tmp_path).parent
    folder = devkit / 'VOC2007/ImageSets/Segmentation'
    folder.mkdir()
    (problem,) = prepare('voc_aug', devkit).problems
    assert problem.remedy == f'run this command on {devkit / "VOC2012"}'


@pytest.mark.parametrize('name', DATA_SETS)
def test_the_root_is_the_one_of_the_config(name):
    data_set = DATA_SETS[name]
    config = Config.fromfile(ROOT / data_set.config)
    assert config.data_root == data_set.data_root


def test_only_data_elsewhere_needs_a_config_line(tmp_path, monkeypatch):
    root = make('coco', tmp_path)
    monkeypatch.chdir(tmp_path)
    assert prepare('coco', root).usage == []
    moved = root.rename(tmp_path / 'elsewhere')
    text = prepare('coco', moved).as_text()
    assert f'ln -s {moved} data/coco' in text
    assert "data_root = 'elsewhere/'" in text
    # Somebody else's folder is not to be linked over.
    root.mkdir()
    assert 'ln -s' not in prepare('coco', moved).as_text()
    root.rmdir()
    root.symlink_to(moved)
    assert prepare('coco', root).usage == []
    assert prepare('coco', moved).usage == []
