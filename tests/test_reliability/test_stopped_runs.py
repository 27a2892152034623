"""A training that is killed resumes through the real tool, bit for bit."""

import random
from pathlib import Path

import pytest

from cankd_mm.checkpoint.whole_file import leftovers
from tests.reliability_table import count
from tests.test_reliability.digits_training import (
    EPOCHS,
    differences,
    train,
    train_on_two_ranks,
    training_state,
)

KILLS = 10
LAST = f'epoch_{EPOCHS}.pth'


@pytest.fixture(scope='module')
def whole_run(tmp_path_factory) -> dict:
    """What a run leaves that nothing stops, and the steps of its saves."""
    folder = tmp_path_factory.mktemp('whole')
    log = folder / 'steps'
    code, output = train(folder / 'run', fault=('log', log))
    assert code == 0, output[-3000:]
    return dict(
        state=training_state(folder / 'run' / LAST),
        files=_files(folder / 'run'),
        steps=log.read_text().splitlines(),
    )


@pytest.mark.parametrize(
    'share',
    [
        # Half of the second checkpoint is written; the first one is about to
        # be removed.
        pytest.param('write half .epoch_2.pth', id='write'),
        pytest.param('os.remove epoch_1.pth', id='remove'),
        *(
            pytest.param(share, marks=pytest.mark.slow, id=f'{share:.0%}')
            for share in (0.1, 0.4, 0.6, 0.9)
        ),
    ],
)
def test_stopped_at_a_step_of_a_save(
    share, whole_run, tmp_path, record_property
):
    count(record_property, 'crash points')
    steps = whole_run['steps']
    if isinstance(share, str):
        (step, *_) = (
            number
            for number, name in enumerate(steps, 1)
            if name.startswith(share)
        )
    else:
        step = round(share * len(steps))
    code, output = train(tmp_path, fault=('step', step))
    assert code == -9, output[-3000:]
    _resumes_to_the_same_end(tmp_path, whole_run)


@pytest.mark.slow
@pytest.mark.parametrize('number', range(KILLS))
def test_killed_at_a_random_moment(
    number, whole_run, tmp_path, record_property
):
    count(record_property, 'kills')
    seconds = random.Random(number).uniform(2, 12)
    code, output = train(tmp_path, fault=('kill', seconds))
    # The run may have ended before.
    assert code in (0, -9), output[-3000:]
    _resumes_to_the_same_end(tmp_path, whole_run)


@pytest.mark.slow
def test_first_of_two_ranks_killed_in_a_save(tmp_path, record_property):
    count(record_property, 'crash points')
    log = tmp_path / 'steps'
    whole, stopped = tmp_path / 'whole', tmp_path / 'stopped'
    code, output = train_on_two_ranks(whole, fault=('log', log))
    assert code == 0, output[-3000:]
    steps = [line.split('.pth')[0] for line in log.read_text().splitlines()]
    step = steps.index('write half .epoch_2') + 1
    code, output = train_on_two_ranks(stopped, fault=('step', step))
    assert code != 0
    assert not (stopped / 'epoch_2.pth').exists()
    code, output = train_on_two_ranks(stopped, '--resume')
    assert code == 0, output[-3000:]
    found, expected = (
        training_state(folder / LAST) for folder in (stopped, whole)
    )
    assert not differences(found, expected)
    assert _files(stopped) == _files(whole)
    assert not leftovers(stopped)


def _resumes_to_the_same_end(folder: Path, whole_run: dict) -> None:
    code, output = train(folder, '--resume', 'auto')
    assert code == 0, output[-3000:]
    found = training_state(folder / LAST)
    assert not differences(found, whole_run['state'])
    assert _files(folder) == whole_run['files']
    assert not leftovers(folder)


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob('*.pth')}
