"""What is written, and what is never overwritten."""

import json
import os
import tempfile

import pytest

from tests.test_datasets.test_preparation.miniatures import snapshot
from tests.test_datasets.test_preparation.test_own import miniatures as mini
from tests.test_datasets.test_preparation.test_own.miniatures import STEMS

TASKS = dict(
    detection=(mini.voc, mini.detection),
    segmentation=(
        lambda root: mini.scenes(root, values=(0, 7, 255)),
        mini.segmentation,
    ),
)


@pytest.fixture(params=TASKS)
def task(request):
    return TASKS[request.param]


@pytest.fixture
def root(task, tmp_path):
    root = tmp_path / 'photos'
    task[0](root)
    return root


@pytest.fixture
def prepare(task):
    return task[1]


def spoil(root):
    """Take an image out, so that the result becomes another one."""
    (root / 'images/p03.jpg').unlink()


def test_second_run_says_that_it_is_the_same(root, prepare):
    prepare(root)
    before = snapshot(root)
    report = prepare(root)
    assert report.ready
    assert report.usage[0].startswith('Nothing to write: the same are there')
    assert report.usage[-1].startswith('  classes = ')
    assert report.converted == 0
    assert snapshot(root) == before


def test_another_result_is_not_overwritten(root, prepare):
    prepare(root)
    spoil(root)
    before = snapshot(root)
    report = prepare(root)
    (problem,) = report.problems
    assert 'images then' in problem.text
    assert '--overwrite' in problem.remedy
    assert not report.usage
    assert snapshot(root) == before
    assert 'Not ready' in report.as_text()


def test_counts_then_and_now(tmp_path):
    mini.voc(tmp_path)
    mini.detection(tmp_path)
    for stem in STEMS[:5]:
        (tmp_path / f'images/{stem}.jpg').unlink()
    (problem,) = mini.detection(tmp_path).problems
    assert 'train 8 images then, 4 now; val 2 images then, 1 now' in (
        problem.text
    )


def test_overwriting_replaces_it(root, prepare):
    prepare(root)
    spoil(root)
    mini.write(root / 'prepared/notes.txt', 'mine')
    assert prepare(root, overwrite=True).ready
    texts = [path.read_text() for path in root.glob('prepared/*.[tj]*')]
    assert not any('p03' in text for text in texts)
    assert (root / 'prepared/notes.txt').read_text() == 'mine\n'
    assert prepare(root).usage[0].startswith('Nothing to write')


def test_overwriting_removes_a_split_that_is_no_more(tmp_path):
    for split in ('train', 'val', 'test'):
        mini.voc(tmp_path, STEMS[:3], split, split)
    mini.detection(tmp_path)
    assert (tmp_path / 'prepared/test.json').is_file()
    for path in (tmp_path / 'test').iterdir():
        path.unlink()
    mini.detection(tmp_path, overwrite=True)
    assert not (tmp_path / 'prepared/test.json').exists()


def test_files_of_others_are_not_overwritten(root, prepare):
    kind = 'json' if prepare is mini.detection else 'txt'
    mini.write(root / f'prepared/train.{kind}', 'mine')
    for overwrite in (False, True):
        # A folder that nobody described may hold data.
        (problem,) = prepare(root, overwrite=overwrite).problems
        assert 'not written by this command' in problem.text
        assert '--out' in problem.remedy
    assert (root / f'prepared/train.{kind}').read_text() == 'mine\n'


def test_result_of_the_other_task_is_not_overwritten(tmp_path):
    mini.voc(tmp_path)
    mini.scenes(tmp_path)
    mini.detection(tmp_path)
    (problem,) = mini.segmentation(tmp_path).problems
    assert 'detection then, segmentation now' in problem.text
    assert mini.segmentation(tmp_path, out=tmp_path / 'masked').ready


def test_run_that_was_broken_off_goes_on(root, prepare, monkeypatch):
    replace = os.replace

    def stop(source, target):
        if os.fspath(target).endswith('val.json') or os.fspath(
            target
        ).endswith('val.txt'):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, 'replace', stop)
    with pytest.raises(KeyboardInterrupt):
        prepare(root)
    assert not (root / 'prepared/dataset.json').exists()
    monkeypatch.undo()
    report = prepare(root)
    assert report.ready, report.as_text()
    assert not list(root.rglob('*.part'))


def test_other_options_after_a_run_that_was_broken_off(tmp_path, monkeypatch):
    mini.voc(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, 'replace', stop)
        with pytest.raises(KeyboardInterrupt):
            mini.detection(tmp_path)
    (tmp_path / 'prepared/train.json').write_text('{}')
    assert not mini.detection(tmp_path, seed=9).ready
    assert mini.detection(tmp_path, seed=9, overwrite=True).ready


def test_full_disk_is_a_problem(root, prepare, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device', 'x')

    monkeypatch.setattr(os, 'replace', full)
    (problem,) = prepare(root).problems
    assert 'No space left on device' in problem.text
    assert not (root / 'prepared/dataset.json').exists()


def test_check_only_writes_nothing(root, prepare):
    before = snapshot(root)
    (problem,) = prepare(root, check_only=True).problems
    assert problem.remedy == 'run this command without --check-only'
    assert snapshot(root) == before
    assert not (root / 'prepared').exists()
    prepare(root)
    assert prepare(root, check_only=True).ready


def test_folder_that_cannot_be_written(root, prepare, monkeypatch):
    temporary = tempfile.TemporaryFile

    def read_only(*arguments, dir, **options):
        if dir.is_relative_to(root):
            raise PermissionError(13, 'Permission denied')
        return temporary(*arguments, dir=dir, **options)

    monkeypatch.setattr(tempfile, 'TemporaryFile', read_only)
    before = snapshot(root)
    (problem,) = prepare(root).problems
    assert 'cannot be written (Permission denied)' in problem.text
    assert '--out' in problem.remedy
    out = root.parent / 'elsewhere/deep'
    report = prepare(root, out=out)
    assert report.ready, report.as_text()
    assert f"  data_root = '{out}/'" in report.usage
    assert snapshot(root) == before
    described = mini.described(out)
    for split in described['splits'].values():
        assert (out / split).is_file()


def test_file_in_the_place_of_the_folder(root, prepare):
    (root / 'prepared').write_text('mine')
    (problem,) = prepare(root).problems
    assert 'prepared cannot be written (it is a file)' in problem.text


def test_paths_from_elsewhere_lead_to_the_images(tmp_path):
    mini.voc(tmp_path / 'photos')
    (tmp_path / 'real/place').mkdir(parents=True)
    link = tmp_path / 'link'
    link.symlink_to(tmp_path / 'real/place')
    for out in (tmp_path / 'out', link):
        mini.detection(tmp_path / 'photos', out=out)
        for name in mini.names(out):
            assert not os.path.isabs(name)
            assert (out / name).is_file()
    assert mini.names(tmp_path / 'out')[0] == '../photos/images/p00.jpg'


def test_a_result_below_the_data_is_not_read_as_data(tmp_path):
    mini.coco(tmp_path)
    mini.detection(tmp_path, out=tmp_path / 'run')
    report = mini.detection(tmp_path)
    assert report.notes[0] == 'labels: COCO json (labels.json)'


def test_own_folder_called_prepared_is_read(tmp_path):
    mini.voc(tmp_path, images='prepared/images', labels='prepared/xml')
    assert mini.detection(tmp_path).ready
    assert len(mini.names(tmp_path)) == 10


def test_description_that_was_edited_removes_nothing_elsewhere(tmp_path):
    mini.voc(tmp_path)
    mini.detection(tmp_path)
    precious = mini.write(tmp_path / 'precious.json', 'mine')
    file = tmp_path / 'prepared/dataset.json'
    content = json.loads(file.read_text())
    content['splits']['test'] = 'prepared/../precious.json'
    content['splits']['more'] = 'precious.json'
    file.write_text(json.dumps(content))
    assert mini.detection(tmp_path, overwrite=True).ready
    assert precious.read_text() == 'mine\n'


def test_report_for_programs(root, prepare):
    content = json.loads(prepare(root).as_json())
    assert content['ready'] is True
    assert content['remarks'] == []
    assert content['usage'][1] == 'In a config, or with --cfg-options:'
