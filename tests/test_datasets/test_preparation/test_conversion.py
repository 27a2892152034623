import numpy as np
import pytest
from PIL import Image

from cankd_mm.datasets.preparation.conversion import (
    CHUNK,
    Job,
    Options,
    link_or_copy,
    make_files,
    relabel,
    write_mask,
)
from cankd_mm.datasets.preparation.report import Report


def invert(source, target):
    if source.stem == 'broken':
        target.with_name(f'{target.name}.part').write_bytes(b'half')
        raise ValueError('is broken')
    write_mask(255 - np.asarray(Image.open(source)), target)


@pytest.fixture
def report(tmp_path):
    return Report('Data', tmp_path, 'https://example.org')


def make_jobs(folder, *names):
    jobs = []
    for number, name in enumerate(names):
        source = folder / f'{name}.png'
        Image.fromarray(np.full((4, 5), number % 256, np.uint8)).save(source)
        jobs.append(Job(source, folder / f'made/{name}.png'))
    return jobs


@pytest.mark.parametrize('workers', [1, 2])
def test_any_number_of_processes_makes_the_same(tmp_path, report, workers):
    names = [f'{number:03d}' for number in range(3 * CHUNK + 1)]
    jobs = make_jobs(tmp_path, *names)
    options = Options(workers=workers)
    assert make_files(report, 'masks', jobs, invert, options) == set()
    assert report.converted == len(jobs)
    for number, job in enumerate(jobs):
        assert (np.asarray(Image.open(job.target)) == 255 - number).all()
    assert len(list((tmp_path / 'made').iterdir())) == len(jobs)


def test_a_broken_file_is_named_and_leaves_nothing(tmp_path, report):
    jobs = make_jobs(tmp_path, 'a', 'broken', 'b')
    made = make_files(report, 'masks', jobs, invert, Options())
    assert made == {jobs[1].target}
    assert report.converted == 2
    (problem,) = report.problems
    assert problem.text == (
        '1 masks could not be converted: broken.png (is broken)'
    )
    names = sorted(path.name for path in (tmp_path / 'made').iterdir())
    assert names == ['a.png', 'b.png']


def test_a_run_broken_off_is_resumed(tmp_path, report):
    jobs = make_jobs(tmp_path, 'a', 'b', 'c')
    calls = []

    def stops(source, target):
        calls.append(source.stem)
        if len(calls) == 2:
            target.with_name(f'{target.name}.part').write_bytes(b'half')
            raise KeyboardInterrupt
        invert(source, target)

    with pytest.raises(KeyboardInterrupt):
        make_files(report, 'masks', jobs, stops, Options())
    assert [job.target.exists() for job in jobs] == [True, False, False]
    make_files(report, 'masks', jobs, stops, Options())
    assert calls == ['a', 'b', 'b', 'c']
    assert (np.asarray(Image.open(jobs[1].target)) == 254).all()
    assert len(list((tmp_path / 'made').iterdir())) == 3


def test_what_exists_is_left_alone(tmp_path, report):
    (job,) = make_jobs(tmp_path, 'a')
    job.target.parent.mkdir()
    job.target.write_bytes(b"the user's own")
    make_files(report, 'masks', [job], invert, Options())
    assert job.target.read_bytes() == b"the user's own"


def test_a_link_costs_nothing_and_a_copy_stands_in(tmp_path, monkeypatch):
    source = tmp_path / 'image.jpg'
    source.write_bytes(b'pixels')
    link_or_copy(source, tmp_path / 'linked.jpg')
    assert source.samefile(tmp_path / 'linked.jpg')

    def refuse(*args):
        raise OSError('another disk')

    monkeypatch.setattr('os.link', refuse)
    link_or_copy(source, tmp_path / 'copied.jpg')
    assert not source.samefile(tmp_path / 'copied.jpg')
    assert (tmp_path / 'copied.jpg').read_bytes() == b'pixels'
    assert not list(tmp_path.glob('*.part'))


def test_relabel_refuses_what_the_table_lacks():
    table = np.array([7, -1, 255])
    mapped = relabel(np.array([[0, 2]], np.uint16), table)
    assert mapped.tolist() == [[7, 255]]
    assert mapped.dtype == np.uint8
    for odd in (1, 3, 300):
        with pytest.raises(ValueError, match=rf'lacks: \[{odd}\]'):
            relabel(np.array([[0, odd]]), table)
    with pytest.raises(ValueError, match=r'shape is \(2, 2, 3\)'):
        relabel(np.zeros((2, 2, 3)), table)
