"""Which checkpoint a training goes on from, and what it reports."""

import logging
import os
import socket
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from cankd_mm.checkpoint.errors import UnsafeCheckpointError
from cankd_mm.engine.runner import resume
from cankd_mm.engine.runner.resume import (
    AUTO,
    NEWEST,
    NothingToResumeError,
    requested_resume,
    set_resume,
)


def save(path, iteration, epoch=None, without=(), **options):
    """Write the state of a training."""
    state = dict(
        meta=dict(iter=iteration, epoch=iteration if epoch is None else epoch),
        state_dict=dict(weight=torch.ones(3)),
        optimizer=dict(state={}),
        message_hub=dict(log_scalars={}),
    )
    torch.save(
        {key: value for key, value in state.items() if key not in without},
        path,
        **options,
    )
    return path


def damage(path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.fixture
def cfg(tmp_path) -> Config:
    (tmp_path / 'run').mkdir()
    return Config(dict(work_dir=str(tmp_path / 'run'), load_from=None))


@pytest.fixture
def run(tmp_path, cfg):
    return tmp_path / 'run'


def texts(notes, level=logging.WARNING) -> list[str]:
    return [text for found, text in notes if found == level]


@pytest.mark.parametrize(
    'config, option, expected',
    [
        (dict(), None, None),
        (dict(load_from='a.pth'), None, None),
        (dict(resume=False), AUTO, AUTO),
        (dict(resume=True), None, AUTO),
        (dict(resume=True, load_from=None), None, AUTO),
        (dict(resume=True, load_from='a.pth'), None, 'a.pth'),
        (dict(resume=True, load_from='a.pth'), NEWEST, NEWEST),
        (dict(), 'b.pth', 'b.pth'),
    ],
)
def test_the_option_comes_before_the_config(config, option, expected):
    assert requested_resume(Config(config), option) == expected


@pytest.mark.parametrize('requested', [NEWEST, AUTO])
def test_the_most_iterations_count_not_name_nor_time(cfg, run, requested):
    save(run / 'epoch_9.pth', 9)
    save(run / 'epoch_10.pth', 10)
    os.utime(run / 'epoch_10.pth', (0, 0))
    # A copy under another name.
    save(run / 'epoch_11.pth', 8)
    save(run / 'epoch_12_student.pth', 12)
    save(run / 'best_mAP_epoch_12.pth', 12)
    notes = set_resume(cfg, requested)
    assert (cfg.resume, cfg.load_from) == (True, str(run / 'epoch_10.pth'))
    assert texts(notes) == []
    (chosen,) = texts(notes, logging.INFO)
    assert 'epoch_10.pth (epoch 10, iteration 10)' in chosen


def test_damaged_files_are_passed_over_by_name_and_reason(cfg, run):
    save(run / 'epoch_1.pth', 1)
    save(run / 'epoch_2.pth', 2)
    save(run / 'epoch_3.pth', 3, without=['message_hub'])
    damage(save(run / 'epoch_4.pth', 4))
    (run / 'epoch_5.pth').touch()
    (run / 'epoch_6.pth').write_text('<!DOCTYPE html><html></html>')
    notes = set_resume(cfg, NEWEST)
    assert cfg.load_from == str(run / 'epoch_2.pth')
    warnings = texts(notes)
    assert len(warnings) == 4
    for number, reason in {
        3: 'lacks message_hub',
        4: '',
        5: '',
        6: '',
    }.items():
        (warning,) = (w for w in warnings if f'epoch_{number}.pth' in w)
        assert 'passes over' in warning and reason in warning


def test_newest_is_read_first_and_older_ones_not_at_all(cfg, run, monkeypatch):
    for number in (1, 2, 3):
        save(run / f'epoch_{number}.pth', number)
    damage(run / 'epoch_3.pth')
    read = []

    def read_checkpoint(path, key, inner=resume.read_checkpoint):
        read.append(os.path.basename(path))
        return inner(path, key)

    monkeypatch.setattr(resume, 'read_checkpoint', read_checkpoint)
    set_resume(cfg, NEWEST)
    assert read == ['epoch_3.pth', 'epoch_2.pth']


def test_torchs_old_format_takes_part(cfg, run):
    save(run / 'epoch_1.pth', 1)
    old = save(run / 'epoch_2.pth', 2, _use_new_zipfile_serialization=False)
    set_resume(cfg, NEWEST)
    assert cfg.load_from == str(old)


@pytest.mark.parametrize('is_damaged', [False, True])
def test_nothing_to_resume(cfg, run, is_damaged):
    cfg.load_from = 'pretrained.pth'
    if is_damaged:
        damage(save(run / 'epoch_1.pth', 1))
        expected = [str(run / 'epoch_1.pth')]
    else:
        expected = [f'no checkpoint {run}/epoch_*.pth']
    with pytest.raises(NothingToResumeError) as error:
        set_resume(cfg, NEWEST)
    for part in [*expected, '--resume PATH', '--resume auto']:
        assert part in str(error.value)

    notes = set_resume(cfg, AUTO)
    # What a new training starts with is not lost.
    assert (cfg.resume, cfg.load_from) == (False, 'pretrained.pth')
    assert 'starts anew' in texts(notes)[-1]
    assert expected[0] in texts(notes)[-1]


def test_last_checkpoint_that_is_gone_is_passed_over(cfg, run):
    save(run / 'epoch_1.pth', 1)
    (run / 'last_checkpoint').write_text(str(run / 'epoch_2.pth'))
    notes = set_resume(cfg, NEWEST)
    assert cfg.load_from == str(run / 'epoch_1.pth')
    (warning,) = texts(notes)
    assert 'epoch_2.pth' in warning and 'no file' in warning


def test_last_checkpoint_of_another_template_takes_part(cfg, run, tmp_path):
    save(run / 'epoch_1.pth', 100)
    save(run / 'iter_150.pth', 150)
    (run / 'last_checkpoint').write_text(str(run / 'iter_150.pth'))
    set_resume(cfg, NEWEST)
    assert cfg.load_from == str(run / 'iter_150.pth')


def test_last_checkpoint_of_another_folder_does_not(cfg, run, tmp_path):
    save(run / 'epoch_1.pth', 1)
    other = save(tmp_path / 'epoch_5.pth', 5)
    (run / 'last_checkpoint').write_text(str(other))
    set_resume(cfg, NEWEST)
    assert cfg.load_from == str(run / 'epoch_1.pth')


def written(path, seconds: float):
    """Set the time of a file, counted from a fixed moment."""
    os.utime(path, (1e9 + seconds, 1e9 + seconds))
    return path


@pytest.fixture
def two_trainings(run):
    """Checkpoints of a whole training, and of a later one, still short."""
    old = written(save(run / 'epoch_12.pth', 1200), 0)
    new = written(save(run / 'epoch_1.pth', 100), 10)
    (run / 'last_checkpoint').write_text(str(new))
    return old, new


@pytest.mark.parametrize('requested', [NEWEST, AUTO])
def test_a_later_training_goes_on(cfg, two_trainings, requested):
    old, new = two_trainings
    notes = set_resume(cfg, requested)
    assert (cfg.resume, cfg.load_from) == (True, str(new))
    (warning,) = texts(notes)
    assert 'earlier training' in warning and f'--resume {old}' in warning


def test_a_checkpoint_right_before_a_kill_is_newer(cfg, run, two_trainings):
    # `last_checkpoint` was not renewed any more.
    newer = written(save(run / 'epoch_2.pth', 200), 20)
    set_resume(cfg, NEWEST)
    assert cfg.load_from == str(newer)
    damage(newer)
    written(newer, 20)
    notes = set_resume(cfg, NEWEST)
    assert cfg.load_from == str(two_trainings[1])
    assert 'passes over' in texts(notes)[0] and str(newer) in texts(notes)[0]


@pytest.mark.parametrize('iteration, seconds', [(200, 5), (50, 20), (200, 10)])
def test_more_iterations_and_a_later_time_are_both_needed(
    cfg, run, two_trainings, iteration, seconds
):
    written(save(run / 'epoch_2.pth', iteration), seconds)
    set_resume(cfg, NEWEST)
    assert cfg.load_from == str(two_trainings[1])


@pytest.mark.parametrize('is_gone', [False, True])
def test_without_a_last_checkpoint_the_most_iterations_count(
    cfg, two_trainings, is_gone
):
    old, new = two_trainings
    new.unlink() if is_gone else damage(new)
    notes = set_resume(cfg, NEWEST)
    assert cfg.load_from == str(old)
    (warning,) = texts(notes)
    assert 'passes over' in warning and str(new) in warning


def test_weights_of_a_last_checkpoint_may_be_damaged(cfg, two_trainings):
    # Its progress can be read.
    old, new = two_trainings
    content = bytearray(new.read_bytes())
    weights = torch.ones(3).numpy().tobytes()
    start = content.index(weights)
    content[start : start + len(weights)] = bytes(len(weights))
    new.write_bytes(content)
    notes = set_resume(cfg, NEWEST)
    assert cfg.load_from == str(old)
    assert len(texts(notes)) == 1


def test_the_hooks_own_folder_is_searched(cfg, tmp_path):
    cfg.default_hooks = dict(
        checkpoint=dict(
            type='CheckpointHook', out_dir=str(tmp_path / 'far'), interval=1
        )
    )
    (tmp_path / 'far' / 'run').mkdir(parents=True)
    path = save(tmp_path / 'far' / 'run' / 'epoch_1.pth', 1)
    set_resume(cfg, NEWEST)
    assert cfg.load_from == str(path)


class Hostile:
    def __reduce__(self):
        return os.mkdir, ('never-made',)


@pytest.mark.parametrize('requested', [NEWEST, AUTO])
def test_a_file_with_code_stops_the_run(cfg, run, requested):
    save(run / 'epoch_1.pth', 1)
    torch.save(
        dict(meta=dict(iter=2, epoch=2), x=Hostile()), run / 'epoch_2.pth'
    )
    with pytest.raises(UnsafeCheckpointError, match='epoch_2.pth'):
        set_resume(cfg, requested)


@pytest.mark.parametrize('requested', [NEWEST, AUTO])
def test_a_file_that_may_not_be_read_stops_the_run(
    cfg, run, requested, monkeypatch
):
    save(run / 'epoch_1.pth', 1)

    def refuse(path, key):
        raise PermissionError(13, 'Permission denied', path)

    monkeypatch.setattr(resume, 'read_checkpoint', refuse)
    with pytest.raises(PermissionError, match='epoch_1.pth'):
        set_resume(cfg, requested)


def test_state_without_an_optimizer_is_resumed_with_a_warning(cfg, run):
    path = save(run / 'epoch_1.pth', 1, without=['optimizer'])
    for requested in (NEWEST, str(path)):
        (text,) = texts(set_resume(cfg, requested))
        assert 'no state of the optimizer' in text
        assert cfg.resume
        assert cfg.load_from == str(path)


def test_a_path_must_be_the_state_of_a_training(cfg, run):
    path = save(run / 'weights.pth', 1, without=['meta', 'message_hub'])
    with pytest.raises(ValueError) as error:
        set_resume(cfg, str(path))
    for part in ('--resume', str(path), 'meta, message_hub', '--student-ckpt'):
        assert part in str(error.value)
    torch.save(dict(weight=torch.ones(1)), path)
    with pytest.raises(ValueError, match='lacks meta, state_dict, message'):
        set_resume(cfg, str(path))


def test_a_path_is_taken_as_it_is(cfg, run):
    save(run / 'epoch_2.pth', 2)
    path = save(run / 'epoch_1.pth', 1)
    set_resume(cfg, str(path))
    assert (cfg.resume, cfg.load_from) == (True, str(path))
    with pytest.raises(FileNotFoundError, match="--resume='nowhere.pth'"):
        set_resume(cfg, 'nowhere.pth')


def test_load_from_of_a_resuming_config_is_named(cfg):
    cfg.resume, cfg.load_from = True, 'nowhere.pth'
    with pytest.raises(FileNotFoundError, match="load_from='nowhere.pth'"):
        set_resume(cfg, requested_resume(cfg, None))


def test_a_config_that_writes_no_checkpoints_has_none(cfg):
    cfg.default_hooks = dict(checkpoint=None)
    with pytest.raises(NothingToResumeError, match='no CheckpointHook'):
        set_resume(cfg, NEWEST)


def test_a_folder_is_for_runners_that_can_read_one(cfg, run):
    folder = run / 'epoch_1.pth'
    folder.mkdir()
    with pytest.raises(ValueError, match='folder'):
        set_resume(cfg, str(folder))
    cfg.runner_type = 'FlexibleRunner'
    set_resume(cfg, str(folder))
    assert (cfg.resume, cfg.load_from) == (True, str(folder))


def test_a_choice_that_is_not_on_this_node_is_an_error(tmp_path, monkeypatch):
    choice = (True, str(tmp_path / 'epoch_1.pth'))

    def receive(objects):
        objects[:] = [choice]

    monkeypatch.setattr(resume, 'get_world_size', lambda: 2)
    monkeypatch.setattr(resume, 'broadcast_object_list', receive)
    runner = SimpleNamespace(_resume=False, _load_from=None)
    with pytest.raises(FileNotFoundError) as error:
        resume.agree_on_resume(runner)
    for part in (choice[1], socket.gethostname(), 'shared disk'):
        assert part in str(error.value)
    (tmp_path / 'epoch_1.pth').touch()
    resume.agree_on_resume(runner)
    assert (runner._resume, runner._load_from) == choice
    # A new training, and an address.
    for choice in ((False, None), (True, 's3://bucket/epoch_1.pth')):
        resume.agree_on_resume(runner)
        assert (runner._resume, runner._load_from) == choice
