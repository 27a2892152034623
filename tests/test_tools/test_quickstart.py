"""The quickstart, shortened to a few iterations."""

import json

import pytest
from PIL import Image

from tests.commands import run_tool


@pytest.fixture(scope='module')
def smoke(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('runs') / 'quickstart'
    printed = run_tool('quickstart.py', '--smoke', '--work-dir', work_dir)
    return work_dir, printed


def test_results_hold_every_model_and_the_times(smoke):
    results = json.loads((smoke[0] / 'results.json').read_text())
    for name in ('teacher', 'baseline', 'distilled'):
        assert 0 <= results[name]['mAP'] <= results[name]['AP50'] <= 100
        assert results[name]['parameters'] > 0
        assert results[name]['ms_per_image'] > 0
    assert results['teacher']['mAP'] > 60
    assert results['baseline']['iterations'] == 2
    assert results['distilled']['iterations'] == 2
    seconds = results['seconds']
    parts = [seconds[k] for k in ('baseline', 'distilled', 'evaluation')]
    assert 0 < sum(parts) <= seconds['total']


def test_students_are_of_one_size_and_the_teacher_is_larger(smoke):
    results = json.loads((smoke[0] / 'results.json').read_text())
    sizes = [
        results[name]['parameters']
        for name in ('baseline', 'distilled', 'teacher')
    ]
    assert sizes[0] == sizes[1] < sizes[2] / 5


def test_report_is_a_picture(smoke):
    with Image.open(smoke[0] / 'report.png') as image:
        assert image.format == 'PNG'
        assert min(image.size) > 600
        assert len(image.convert('RGB').getcolors(1 << 24)) > 100


def test_progress_and_table_are_printed(smoke):
    printed = smoke[1]
    assert printed.count('iteration    2/2') == 2
    for title in ('teacher', 'student alone', 'student with CanKD'):
        assert any(line.startswith(title) for line in printed.splitlines())


def test_libraries_write_to_a_log_not_to_the_screen(smoke):
    work_dir, printed = smoke
    assert 'mmengine' not in printed
    for run in ('baseline', 'distilled', 'teacher_evaluation'):
        assert 'mmengine' in (work_dir / run / 'console.log').read_text()


def test_data_lies_beside_the_work_dir(smoke):
    folders = list((smoke[0].parent / 'digits').iterdir())
    assert len(folders) == 1
    assert (folders[0] / 'instances_val.json').is_file()
