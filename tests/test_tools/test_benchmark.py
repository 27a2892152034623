"""``tools/benchmark.py`` on tiny sizes; no assertion on time."""

import json
import math
import os
import sys
from shutil import which

import pytest

from cankd_mm.benchmarks.forms import OTHERS
from tests.commands import run, run_tool, run_unchecked

QUICK = ('--sizes', 'small', '--repeats', '2', '--threads', '1')


def measure(tmp_path, *arguments) -> tuple[dict, str]:
    """What a sub-command writes and prints."""
    path = tmp_path / 'results' / 'figures.json'
    printed = run_tool('benchmark.py', *arguments, '--json', path)
    content = json.loads(path.read_text())
    assert set(content) == {'command', 'hardware', 'settings', 'rows'}
    assert content['command'] == arguments[0]
    assert content['hardware']['threads'] == 1
    # The head of the table names it.
    assert content['hardware']['cpu'] in printed.splitlines()[0]
    return content, printed


def positive(*values) -> bool:
    return all(math.isfinite(value) and value > 0 for value in values)


def test_losses_are_compared_with_the_formula_and_the_others(tmp_path):
    losses = ['CanKD', 'CSKD']
    content, printed = measure(tmp_path, 'losses', *QUICK, '--only', *losses)
    rows = content['rows']
    found = {(row['loss'], row['form']) for row in rows}
    assert found == {
        (loss, form)
        for loss in losses
        for form in (loss, 'as printed', *OTHERS)
    }
    for row in rows:
        assert positive(row['forward_ms'], row['backward_ms'])
        assert row['rounds'] == 2
        assert row['peak_is'] == 'measured'
        assert row['time_ratio'] == 1 or row['form'] != row['loss']
        if row['form'] == row['loss']:
            assert f'| {row["loss"]} ' in printed


def test_runs_of_the_losses_alone_are_set_side_by_side(tmp_path):
    content, _ = measure(
        tmp_path, 'losses', *QUICK, '--alone', '--only', 'CanKD', 'TaT'
    )
    assert [row['form'] for row in content['rows']] == ['CanKD', 'TaT']
    written = tmp_path / 'results' / 'figures.json'
    printed = run_tool(
        *('benchmark.py', 'compare', '--before', written, '--after', written)
    )
    assert '| CanKD | level   | 2x16x24x20 |' in printed
    assert printed.count('1.00x') == 2 * 2


@pytest.mark.slow
@pytest.mark.skipif(not which('g++'), reason='torch.compile needs a compiler')
def test_compiled_losses_are_timed_and_have_no_peak(tmp_path):
    content, _ = measure(
        tmp_path, 'losses', *QUICK, '--alone', '--compile', '--only', 'LAKD'
    )
    plain, compiled = content['rows']
    assert (plain['form'], compiled['form']) == ('LAKD', 'compiled')
    assert positive(compiled['both_ms'], compiled['time_ratio'])
    assert plain['peak_mib'] > 0 and compiled['peak_mib'] is None


def test_counting_runs_nothing_and_says_that_peaks_are_computed(tmp_path):
    content, printed = measure(
        tmp_path, 'losses', *QUICK, '--count-only', '--only', 'CanKD'
    )
    ours, printed_form, *_ = content['rows']
    assert ours['both_ms'] is None and ours['rounds'] is None
    assert ours['peak_is'] == 'computed'
    assert printed.count('(computed)') == len(content['rows']) == 6
    assert printed_form['gflop'] > ours['gflop'] > 0
    # Two matrices of 480 x 120 affinities of each of two images.
    assert printed_form['peak_mib'] > 2 * 4 * 2 * 480 * 120 / 2**20


def test_scaling_has_an_exponent_for_every_form(tmp_path):
    content, _ = measure(
        tmp_path, 'scaling', *QUICK, '--only', 'CanKD', 'CanKD as printed'
    )
    assert [row['form'] for row in content['rows']] == [
        'CanKD',
        'CanKD as printed',
    ]
    for row in content['rows']:
        assert row['positions'] == [64, 128, 256]
        assert len(row['ms']) == len(row['peak_mib']) == 3
        assert positive(*row['ms'])
        assert math.isfinite(row['time_exponent'])


CONFIGS = [
    f'configs/digits/{name}.py'
    for name in ('cankd_retinanet', 'tat_segmentor')
]


def test_step_is_compared_with_its_bound_and_mmrazor(tmp_path):
    content, _ = measure(
        tmp_path,
        'step',
        *CONFIGS,
        *('--size', '64', '64', '--batch', '2', '--repeats', '2'),
        *('--threads', '1'),
    )
    for config in CONFIGS:
        rows = {
            row['step']: row
            for row in content['rows']
            if row['config'] == config
        }
        assert list(rows) == [
            'student alone',
            'student and teacher features',
            'student and teacher features, channels-last',
            'FrozenTeacherDistill',
            'FrozenTeacherDistill, lean teacher',
            'SingleTeacherDistill',
            'FpnTeacherDistill',
            *(['SingleTeacherDistill, as printed'] * ('cankd' in config)),
        ]
        assert rows['student alone']['to_student'] == 1
        assert rows['student and teacher features']['to_bound'] == 1
        for row in rows.values():
            assert positive(row['ms'], row['to_student'], row['to_bound'])
            assert row['rounds'] == 2
            assert row['peak_gib'] is None


QUICKSTART = """
echo "[setup] Making .venv for ${PYTHONPATH:-nobody} ..."
echo '[setup]     done in 0 s'
echo '1/4  Training the student alone'
exit ${FAIL:-0}
"""
GIT = ('git', '-c', 'user.name=a', '-c', 'user.email=a@example.org')


@pytest.fixture
def repository(tmp_path):
    """A clone of it prints what the quickstart prints."""
    script = tmp_path / 'repository' / 'tools' / 'quickstart.sh'
    script.parent.mkdir(parents=True)
    script.write_text(QUICKSTART)
    root = script.parents[1]
    for command in (['init', '-q'], ['add', '.'], ['commit', '-qm', 'all']):
        # The user's own settings may ask for signatures or hooks.
        run(*GIT, '-C', root, *command, GIT_CONFIG_GLOBAL=os.devnull)
    return root


def test_setup_times_the_quickstart_of_a_clone(tmp_path, repository):
    content, _ = measure(
        tmp_path, 'setup', '--repository', repository, '--threads', '1'
    )
    # The environment of the caller stays outside.
    assert [row['phase'] for row in content['rows']] == [
        'Cloning',
        'Making .venv for nobody',
        'Training the student alone',
        'all',
    ]
    assert all(row['seconds'] >= 0 for row in content['rows'])
    assert content['rows'][-1]['seconds'] > 0


def test_setup_fails_with_the_quickstart(repository):
    code, output = run_unchecked(
        sys.executable,
        'tools/benchmark.py',
        *('setup', '--repository', repository),
        FAIL='3',
    )
    assert code == 1
    assert 'returned non-zero exit status 3' in output
