"""A run that is stopped anywhere in a save resumes bit for bit.

A save is a sequence of steps on the disk. Each test stops the process before
each of them in turn, as SIGKILL does, and resumes from what is left.
"""

import gc
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger

from cankd_mm.checkpoint.whole_file import leftovers
from tests.reliability_table import count
from tests.test_reliability.crash_points import (
    in_child,
    log_steps,
    stop_before,
)
from tests.toy_distillation import Distillation, toy_runner

# Train loop and checkpoint hook of each kind of run: by epoch and by
# iteration, with and without a best checkpoint that changes every time.
BEST = dict(save_best='score', rule='less')
RUNS = {
    'epoch, best': (
        dict(by_epoch=True, max_epochs=2),
        dict(interval=1, max_keep_ckpts=1, **BEST),
    ),
    'iter, best': (
        dict(by_epoch=False, max_iters=4, val_interval=2),
        dict(interval=2, by_epoch=False, max_keep_ckpts=1, **BEST),
    ),
    'epoch': (
        dict(by_epoch=True, max_epochs=3),
        dict(interval=1, max_keep_ckpts=1),
    ),
    'epoch, two kept': (
        dict(by_epoch=True, max_epochs=3),
        dict(interval=2, max_keep_ckpts=2, save_best='auto', rule='less'),
    ),
}
KINDS = [
    *list(RUNS)[:2],
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in list(RUNS)[2:]),
]
# Shares of the steps, so that processes can divide them.
PARTS = 4


def _train(folder: Path, kind: str, resume: bool = False) -> None:
    MMLogger._instance_dict.clear()
    train_cfg, checkpoint = RUNS[kind]
    toy_runner(
        folder,
        Distillation(),
        dict(train_cfg),
        dict(checkpoint),
        # A run by iteration waits for seconds at the end of its data.
        length=4 if train_cfg['by_epoch'] else 12,
        resume=resume,
        log_level='ERROR',
    ).train()


def _train_and_stop(folder: Path, kind: str, step: int) -> None:
    stop_before(step, folder)
    _train(folder, kind)


def _train_and_log(folder: Path, kind: str, log: Path) -> None:
    log_steps(folder, log)
    _train(folder, kind)


@pytest.fixture(scope='module')
def whole_runs(tmp_path_factory):
    """Runs that nothing stops, by kind: their folder and their steps."""
    found = {}
    # What the first run of a process imports, its forks have then.
    _train(tmp_path_factory.mktemp('warm'), 'epoch')
    gc.collect()
    gc.freeze()

    def run(kind: str) -> tuple[Path, list[str]]:
        if kind not in found:
            root = tmp_path_factory.mktemp('whole')
            log = root / 'steps'
            assert in_child(_train_and_log, root / 'run', kind, log) == 0
            found[kind] = root / 'run', log.read_text().splitlines()
        return found[kind]

    yield run
    gc.unfreeze()


@pytest.mark.parametrize('part', range(PARTS))
@pytest.mark.parametrize('kind', KINDS)
def test_stopped_before_each_step_of_each_save(
    kind, part, whole_runs, tmp_path, record_property
):
    whole, steps = whole_runs(kind)
    tried = range(part + 1, len(steps) + 1, PARTS)
    count(record_property, 'crash points', len(tried))
    for step in tried:
        where = f'step {step}: {steps[step - 1]}'
        folder = tmp_path / str(step)
        assert in_child(_train_and_stop, folder, kind, step) == -9, where
        _check_what_is_left(folder, where)
        assert in_child(_train, folder, kind, True) == 0, where
        _check_same_end(folder, whole, where)
    assert len(steps) >= 40


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob('*.pth'))


def _check_what_is_left(folder: Path, where: str) -> None:
    """Every file under a final name is whole, and the last one is there."""
    for path in _checkpoints(folder):
        torch.load(path, weights_only=False)
    last = folder / 'last_checkpoint'
    if last.exists():
        assert Path(last.read_text()).is_file(), where


def _check_same_end(folder: Path, whole: Path, where: str) -> None:
    """The same files as without a stop, and the same weights in them."""
    for path in leftovers(folder):
        # tools/train.py removes them when it starts.
        path.unlink()
    expected = _checkpoints(whole)
    found = {path.name: path for path in _checkpoints(folder)}
    last = [path for path in expected if not path.name.startswith('best')]
    assert {path.name for path in last} <= found.keys(), where
    for path in last:
        _check_equal(_weights(path), _weights(found[path.name]), where)
    # Of a run that ends right before its last validation the best checkpoint
    # is the one before.
    assert len(found) == len(expected), (where, sorted(found))
    best = [name for name in found if name.startswith('best')]
    assert len(best) == len(expected) - len(last), where
    hidden = [path.name for path in folder.glob('.*')]
    assert not hidden, where


def _weights(path: Path) -> dict[str, torch.Tensor]:
    content = torch.load(path, weights_only=False)
    state = dict(content['state_dict'])
    momenta = content.get('optimizer', {}).get('state', {})
    for index, values in momenta.items():
        state[f'momentum {index}'] = values['momentum_buffer']
    return state


def _check_equal(ours: dict, theirs: dict, where: str) -> None:
    assert ours.keys() == theirs.keys(), where
    for name, value in ours.items():
        if value is None or theirs[name] is None:
            assert value is theirs[name], (where, name)
        else:
            assert torch.equal(value, theirs[name]), (where, name)
