"""One training at a time holds a work dir."""

import contextlib
import errno
import json
import multiprocessing
import os
import subprocess
import threading
import time

import pytest

from cankd_mm.engine.runner import work_dir_lock
from cankd_mm.engine.runner.work_dir_lock import (
    WorkDirInUseError,
    WorkDirLock,
)

# Contenders of a race, and how often it is run.
CONTENDERS = 8
RACES = 3


def quick(work_dir) -> WorkDirLock:
    """A lock whose dead holders are noticed within tenths of a second."""
    return WorkDirLock(work_dir, interval=0.05, expiry=0.5)


def lock_files(work_dir) -> list[str]:
    return sorted(path.name for path in work_dir.glob('.training.lock*'))


def holder_of(work_dir) -> dict:
    (name,) = lock_files(work_dir)
    return json.loads((work_dir / name).read_text())


def write_lock(work_dir, number=1, age=0.0, **changes):
    """The lock of another host's process, which writes no heartbeats."""
    holder = dict(
        host='far-away',
        process=4711,
        started='2001-02-03 04:05:06+00:00',
        command='tools/train.py other.py',
        sees='far-away 1 pid:[1]',
        process_start=1,
        token='theirs',
    )
    path = work_dir / f'.training.lock.{number}'
    path.write_text(json.dumps({**holder, **changes}))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, 'it never happens'
        time.sleep(0.01)


@contextlib.contextmanager
def sleeping_process():
    process = subprocess.Popen(['sleep', '600'])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_held_work_dir_is_refused_by_the_holders_name(tmp_path):
    work_dir = tmp_path / 'not' / 'there'
    first = WorkDirLock(work_dir)
    assert first.acquire() == []
    holder = holder_of(work_dir)
    with pytest.raises(WorkDirInUseError) as refusal:
        WorkDirLock(work_dir).acquire()
    for part in (
        str(work_dir),
        f'host {holder["host"]}',
        f'process {os.getpid()}',
        f'started {holder["started"]}',
        '--work-dir',
        '--force',
    ):
        assert part in str(refusal.value)
    assert holder_of(work_dir) == holder

    first.release()
    first.release()
    assert os.listdir(work_dir) == []
    second = WorkDirLock(work_dir)
    assert second.acquire() == []
    second.release()


def test_a_process_that_has_ended_is_replaced_at_once(tmp_path):
    with sleeping_process() as process:
        write_lock(
            tmp_path,
            process=process.pid,
            process_start=work_dir_lock.process_start(process.pid),
            sees=work_dir_lock.visible_processes(),
            # Whatever its heartbeat: the process is what counts.
        )
        with pytest.raises(WorkDirInUseError, match=str(process.pid)):
            WorkDirLock(tmp_path).acquire()
        process.kill()
        # Nobody has collected it yet: a zombie.
        lock = WorkDirLock(tmp_path)
        wait_until(lambda: work_dir_lock.process_start(process.pid) is None)
        (note,) = lock.acquire()
    assert 'taken over' in note and 'has ended' in note
    assert lock_files(tmp_path) == ['.training.lock.2']
    lock.release()


def test_a_number_that_was_given_again_does_not_keep_a_lock(tmp_path):
    write_lock(
        tmp_path,
        process=os.getpid(),
        process_start=work_dir_lock.process_start(os.getpid()) - 1,
        sees=work_dir_lock.visible_processes(),
    )
    lock = WorkDirLock(tmp_path)
    (note,) = lock.acquire()
    assert 'belongs to another process' in note
    lock.release()


def test_another_host_without_a_heartbeat_is_replaced(tmp_path):
    write_lock(tmp_path, age=61)
    # A heartbeat that seems to be old is waited for, but not until expiry.
    lock = WorkDirLock(tmp_path, interval=0.05, expiry=60)
    start = time.monotonic()
    (note,) = lock.acquire()
    assert time.monotonic() - start >= 3 * 0.05
    assert 'far-away' in note and 'no heartbeat for 61 s' in note
    assert holder_of(tmp_path)['process'] == os.getpid()
    lock.release()


def test_another_host_that_stops_is_waited_for(tmp_path, logged):
    write_lock(tmp_path)
    lock = quick(tmp_path)
    (note,) = lock.acquire()
    assert 'no heartbeat' in note
    assert [m for m in logged if 'looking for a heartbeat' in m]
    lock.release()


def test_another_host_is_refused_at_its_next_heartbeat(tmp_path, monkeypatch):
    # Nothing but the heartbeat tells that the first is alive.
    first = quick(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(work_dir_lock, 'visible_processes', lambda: 'elsewhere')
        first.acquire()
    with pytest.raises(WorkDirInUseError):
        WorkDirLock(tmp_path, interval=0.05, expiry=5).acquire()
    first.release()


@pytest.mark.parametrize('offset', [3600, -3600], ids=['behind', 'ahead'])
def test_a_living_holder_may_have_another_clock(offset, tmp_path):
    # Its own clock sets the time of its file, as on Lustre, SMB or FUSE.
    path, ended = write_lock(tmp_path, age=offset), threading.Event()

    def beat():
        while not ended.wait(0.1):
            then = time.time() - offset
            os.utime(path, (then, then))

    beats = threading.Thread(target=beat)
    beats.start()
    try:
        with pytest.raises(WorkDirInUseError):
            WorkDirLock(tmp_path, interval=0.5, expiry=30).acquire()
    finally:
        ended.set()
        beats.join()
    assert lock_files(tmp_path) == [path.name]


def test_this_hosts_clock_does_not_count(tmp_path, monkeypatch):
    write_lock(tmp_path)
    ahead = time.time() + 3600
    monkeypatch.setattr(time, 'time', lambda: ahead)
    lock = quick(tmp_path)
    start = time.monotonic()
    lock.acquire()
    # Not the shorter watch of a file that seems to be old.
    assert time.monotonic() - start >= 0.5
    lock.release()


def test_a_watch_that_is_stopped_looks_again(tmp_path, monkeypatch):
    # The process that watches stands still for longer than `expiry`, and so
    # may the holder: both wait for the same file system, or their host
    # sleeps.
    path, sleep = write_lock(tmp_path), time.sleep
    clock, sleeps = time.monotonic, []

    def late_sleep(seconds):
        sleep(seconds)
        sleeps.append(seconds)
        if len(sleeps) == 2:
            os.utime(path)

    monkeypatch.setattr(time, 'sleep', late_sleep)
    monkeypatch.setattr(
        time, 'monotonic', lambda: clock() + 3600 * len(sleeps)
    )
    with pytest.raises(WorkDirInUseError):
        quick(tmp_path).acquire()


def test_a_lock_that_is_being_written_is_waited_for(tmp_path):
    path = tmp_path / '.training.lock.1'
    path.touch()
    lock = quick(tmp_path)
    (note,) = lock.acquire()
    assert 'host unknown' in note and 'no heartbeat' in note
    lock.release()


def test_force_replaces_a_living_holder_which_reports_it(tmp_path, logged):
    first = quick(tmp_path)
    first.acquire()
    second = quick(tmp_path)
    (note,) = second.acquire(force=True)
    assert note.endswith('--force')
    wait_until(lambda: logged)
    (report,) = logged
    assert 'taken over by' in report and str(tmp_path) in report
    first.release()
    assert lock_files(tmp_path) == ['.training.lock.2']
    with pytest.raises(WorkDirInUseError):
        quick(tmp_path).acquire()
    second.release()
    assert lock_files(tmp_path) == []


def test_a_lock_of_the_same_name_is_not_taken_for_ones_own(tmp_path, logged):
    first = quick(tmp_path)
    first.acquire()
    other = write_lock(tmp_path, number=1)
    wait_until(lambda: logged)
    first.release()
    assert other.exists()


def race(work_dir, start, results) -> None:
    """Try once, and hold the work dir until every contender has tried."""
    lock = quick(work_dir)
    start.wait()
    try:
        lock.acquire()
        results.put('won')
    except WorkDirInUseError:
        results.put('refused')
    start.wait()
    lock.release()


@pytest.mark.parametrize('stale', [False, True], ids=['free', 'stale'])
def test_of_several_that_start_at_once_one_wins(stale, tmp_path):
    context = multiprocessing.get_context('fork')
    for number in range(RACES):
        work_dir = tmp_path / str(number)
        if stale:
            work_dir.mkdir()
            write_lock(work_dir, age=61)
        start, results = context.Barrier(CONTENDERS), context.Queue()
        processes = [
            context.Process(target=race, args=(work_dir, start, results))
            for _ in range(CONTENDERS)
        ]
        for process in processes:
            process.start()
        outcomes = sorted(results.get(timeout=60) for _ in processes)
        for process in processes:
            process.join()
        assert outcomes == ['refused'] * (CONTENDERS - 1) + ['won']
        assert os.listdir(work_dir) == []


def test_an_outdated_listing_does_not_let_two_win(tmp_path, monkeypatch):
    # Another one takes the free work dir right after it was looked at, and
    # under a number that is not the next.
    lock = quick(tmp_path)
    create = lock._create

    def create_late(path):
        if not lock_files(tmp_path):
            write_lock(
                tmp_path,
                number=7,
                process=os.getpid(),
                process_start=work_dir_lock.process_start(os.getpid()),
                sees=work_dir_lock.visible_processes(),
            )
        create(path)

    monkeypatch.setattr(lock, '_create', create_late)
    with pytest.raises(WorkDirInUseError):
        lock.acquire()
    assert lock_files(tmp_path) == ['.training.lock.7']


@pytest.mark.parametrize('number', [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_work_dir_that_cannot_be_written_is_an_error(
    number, tmp_path, monkeypatch
):
    def fail(path):
        raise OSError(number, os.strerror(number))

    lock = WorkDirLock(tmp_path)
    monkeypatch.setattr(lock, '_create', fail)
    with pytest.raises(OSError, match='--work-dir') as failure:
        lock.acquire()
    assert failure.value.errno == number
    assert str(tmp_path) in str(failure.value)


def test_a_file_system_without_locks_is_reported(tmp_path, monkeypatch):
    def fail(path):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    lock = WorkDirLock(tmp_path)
    monkeypatch.setattr(lock, '_create', fail)
    (note,) = lock.acquire()
    assert 'cannot lock' in note
    lock.release()


def hold(work_dir) -> None:
    WorkDirLock(work_dir).acquire()
    time.sleep(600)


def test_a_killed_holder_is_replaced(tmp_path):
    process = multiprocessing.get_context('fork').Process(
        target=hold, args=(tmp_path,)
    )
    process.start()
    wait_until(lambda: lock_files(tmp_path))
    wait_until(lambda: (tmp_path / lock_files(tmp_path)[0]).stat().st_size)
    process.kill()
    process.join()
    lock = WorkDirLock(tmp_path)
    (note,) = lock.acquire()
    assert f'process {process.pid}' in note
    lock.release()
