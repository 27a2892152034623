"""Two trainings never share a work dir, and --resume reports what it does."""

import functools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from cankd_mm.engine.runner import work_dir, work_dir_lock
from cankd_mm.engine.runner.work_dir_lock import EXPIRY, WorkDirLock
from tests.commands import ROOT
from tests.digits_run import PLAIN
from tests.forked_tools import fork_tool, fork_tool_unchecked

LOCK = '.training.lock.1'


def options(epochs: int = 1) -> list[str]:
    """Two iterations an epoch, and one validation of one image."""
    return [
        '--cfg-options',
        f'train_cfg.max_epochs={epochs}',
        'train_cfg.val_interval=100',
        'val_dataloader.dataset.indices=1',
        'train_dataloader.batch_size=2',
        'train_dataloader.dataset.indices=4',
        'optim_wrapper.optimizer.lr=1e-5',
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.max_keep_ckpts=5',
    ]


def train(work_dir, *arguments, config=PLAIN, epochs=1) -> str:
    return fork_tool(
        'train.py',
        config,
        *('--work-dir', work_dir),
        *arguments,
        *options(epochs),
    )


def fail(work_dir, *arguments, config=PLAIN, epochs=1) -> tuple[int, str]:
    code, output = fork_tool_unchecked(
        'train.py',
        config,
        *('--work-dir', work_dir),
        *arguments,
        *options(epochs),
    )
    assert code, output[-3000:]
    return code, output


def log_of(work_dir: Path) -> str:
    """What the last start logged.

    MMEngine names the file after the second in which a run starts: two
    starts within one second append to the same file.
    """
    log = max(work_dir.glob('*/*.log')).read_text()
    *_, last = log.split('System environment:')
    return last


def write_lock(work_dir: Path, age: float = 0.0, **holder) -> None:
    work_dir.mkdir()
    path = work_dir / LOCK
    path.write_text(json.dumps(holder))
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))


def with_signal(folder: Path, number: int) -> Path:
    """A config whose training gets a signal after its third iteration."""
    config = folder / 'signalled.py'
    config.write_text(
        f'_base_ = [{str(ROOT / PLAIN)!r}]\n'
        "custom_imports = dict(imports=['cankd_mm', "
        "'tests.test_reliability.signal_hook'], "
        'allow_failed_imports=False)\n'
        'custom_hooks = [dict('
        f"type='SignalHook', number={int(number)}, after=3)]\n"
    )
    return config


@pytest.fixture(scope='module')
def two_epochs(tmp_path_factory) -> Path:
    """A work dir with the checkpoints of two epochs."""
    work_dir = tmp_path_factory.mktemp('trained') / 'run'
    train(work_dir, epochs=2)
    return work_dir


@pytest.fixture
def trained(two_epochs, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(two_epochs, tmp_path / 'run'))


# One training at a time


def test_second_training_is_refused_by_name_of_the_first(tmp_path):
    work_dir = tmp_path / 'run'
    first = WorkDirLock(work_dir)
    first.acquire()
    holder = json.loads((work_dir / LOCK).read_text())
    _, output = fail(work_dir)
    error = output.splitlines()[-1]
    for part in (
        f'work dir {work_dir}: another training',
        f'host {holder["host"]}',
        f'process {os.getpid()}',
        f'started {holder["started"]}',
        '--work-dir',
        '--force',
    ):
        assert part in error
    assert os.listdir(work_dir) == [LOCK]

    train(work_dir, '--force')
    assert 'taken over' in log_of(work_dir)
    assert (work_dir / 'epoch_1.pth').exists()
    # The forced one is gone, and so is the one it replaced.
    assert not list(work_dir.glob('.training.lock*'))
    first.release()


def test_two_that_start_at_once(tmp_path):
    work_dir, output = tmp_path / 'run', tmp_path / 'output'
    codes = fork_tool(
        '../tests/forked_together.py',
        *('single', 2, output, ROOT / 'tools' / 'train.py'),
        *(PLAIN, '--work-dir', work_dir),
        *options(),
    )
    codes = json.loads(codes.splitlines()[-1])
    assert sorted(map(bool, codes)) == [False, True], codes
    loser = codes.index(max(codes))
    refusal = Path(f'{output}.{loser}').read_text()
    assert 'another training writes here' in refusal
    assert len(list(work_dir.glob('*/*.log'))) == 1
    assert (work_dir / 'epoch_1.pth').exists()


def test_dead_process_of_this_host_is_taken_over(tmp_path):
    work_dir = tmp_path / 'run'
    process = subprocess.Popen(['sleep', '600'])
    write_lock(
        work_dir,
        host='here',
        process=process.pid,
        process_start=work_dir_lock.process_start(process.pid),
        sees=work_dir_lock.visible_processes(),
    )
    _, output = fail(work_dir)
    assert f'process {process.pid}' in output
    process.kill()
    process.wait()
    train(work_dir)
    log = log_of(work_dir)
    assert f'process {process.pid}' in log and 'has ended' in log


def test_host_without_a_heartbeat_is_taken_over(tmp_path, monkeypatch):
    lock = functools.partial(WorkDirLock, interval=0.05)
    monkeypatch.setattr(work_dir, 'WorkDirLock', lock)
    folder = tmp_path / 'run'
    write_lock(folder, age=EXPIRY + 1, host='far-away', sees='far-away')
    cfg = Config(dict(work_dir=str(folder), launcher='none'))
    with work_dir.hold_work_dir(cfg) as notes:
        ((_, text),) = notes
    assert 'far-away' in text and 'no heartbeat' in text


# The end of a training


def test_nothing_is_left_after_an_error(tmp_path):
    work_dir = tmp_path / 'run'
    fail(work_dir, '--resume', 'nowhere.pth')
    assert os.listdir(work_dir) == []


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_after_a_signal(number, tmp_path):
    work_dir = tmp_path / 'run'
    config = with_signal(tmp_path, number)
    code, output = fail(work_dir, config=config, epochs=2)
    if number == signal.SIGINT:
        assert 'KeyboardInterrupt' in output
    else:
        # To who waits for the process, it ends as if nothing handled it.
        assert code == -number
    assert (work_dir / 'epoch_1.pth').exists()
    assert not (work_dir / 'epoch_2.pth').exists()
    assert not list(work_dir.glob('.training.lock*'))


def test_next_start_cleans_up_after_a_kill(tmp_path):
    work_dir = tmp_path / 'run'
    config = with_signal(tmp_path, signal.SIGKILL)
    code, _ = fail(work_dir, config=config, epochs=2)
    assert code == -signal.SIGKILL
    assert (work_dir / LOCK).exists()
    unfinished = work_dir / '.epoch_2.pth.abcdefgh.unfinished'
    unfinished.write_bytes(b'half')
    mine = work_dir / '.unfinished'
    mine.touch()

    train(work_dir, '--resume', epochs=2)
    log = log_of(work_dir)
    assert 'taken over' in log
    assert f'removed {unfinished}' in log
    assert 'epoch_1.pth (epoch 1, iteration 2)' in log
    assert 'Epoch(train) [2][2/2]' in log
    assert 'Epoch(train) [1]' not in log
    left = {path.name for path in work_dir.iterdir() if path.is_file()}
    assert left == {
        '.unfinished',
        'signalled.py',
        'baseline_retinanet.py',
        'epoch_1.pth',
        'epoch_2.pth',
        'last_checkpoint',
    }


# What --resume takes


@pytest.mark.parametrize('harm', ['truncated', 'flipped', 'gone'])
def test_newest_readable_checkpoint_is_resumed(harm, trained):
    newest = trained / 'epoch_2.pth'
    size = newest.stat().st_size
    if harm == 'truncated':
        os.truncate(newest, size // 2)
    elif harm == 'flipped':
        with open(newest, 'r+b') as file:
            file.seek(size // 2)
            file.write(bytes(2000))
    else:
        # Its name is all that is left: `last_checkpoint` holds it.
        newest.unlink()
        (trained / 'last_checkpoint').write_text(str(newest))
    train(trained, '--resume', epochs=2)
    log = log_of(trained)
    assert f'passes over {newest}: ' in log
    assert 'epoch_1.pth (epoch 1, iteration 2)' in log
    assert 'Epoch(train) [2][1/2]' in log and 'Epoch(train) [1]' not in log
    state = torch.load(newest, weights_only=False)
    assert state['meta']['iter'] == 4


def test_resume_without_a_readable_checkpoint(trained):
    for path in trained.glob('*.pth'):
        os.truncate(path, 1000)
    _, output = fail(trained, '--resume')
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        assert str(trained / name) in output
    assert '--resume auto' in output and '--resume PATH' in output

    train(trained, '--resume', 'auto')
    log = log_of(trained)
    assert 'nothing to resume' in log and 'starts anew' in log
    assert str(trained / 'epoch_2.pth') in log
    assert 'Epoch(train) [1][1/2]' in log


def test_resume_of_an_empty_work_dir(tmp_path):
    work_dir = tmp_path / 'run'
    _, output = fail(work_dir, '--resume')
    assert f'there is no checkpoint {work_dir}/epoch_*.pth' in output
    assert '--resume auto' in output
    assert os.listdir(work_dir) == []
    # `resume = True` in a config means auto.
    fork_tool(
        'train.py',
        *(PLAIN, '--work-dir', work_dir),
        *options(),
        'resume=True',
    )
    assert 'starts anew' in log_of(work_dir)


def test_resume_of_a_foreign_file(tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(1))), path)
    _, output = fail(tmp_path / 'run', '--resume', path)
    error = output[output.rindex('ValueError') :]
    for part in (
        f"--resume='{path}'",
        'lacks meta, message_hub',
        f'--student-ckpt {path}',
        f'load_from={path}',
    ):
        assert part in error
    assert "KeyError: 'meta'" not in output


def test_all_processes_resume_from_the_same_checkpoint(trained):
    os.truncate(trained / 'epoch_2.pth', 1000)
    output = trained.parent / 'output'
    codes = fork_tool(
        '../tests/forked_together.py',
        *('ranks', 2, output, ROOT / 'tools' / 'train.py'),
        *(PLAIN, '--work-dir', trained, '--resume'),
        *options(epochs=2),
        'train_dataloader.batch_size=1',
    )
    assert codes.splitlines()[-1] == '[0, 0]', Path(f'{output}.0').read_text()
    assert 'passes over' in log_of(trained)
    for number in range(2):
        printed = Path(f'{output}.{number}').read_text()
        assert f'backend from path: {trained}/epoch_1.pth' in printed
    state = torch.load(trained / 'epoch_2.pth', weights_only=False)
    assert state['meta']['iter'] == 4
