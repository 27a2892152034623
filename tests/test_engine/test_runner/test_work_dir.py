"""Taking a work dir removes what killed processes left, and nothing else."""

import os
import time
from pathlib import Path

import pytest
from mmengine.config import Config

from cankd_mm.checkpoint.whole_file import whole_file
from cankd_mm.engine.runner.file_system_time import file_system_time
from cankd_mm.engine.runner.work_dir import hold_work_dir


@pytest.fixture
def cfg(tmp_path) -> Config:
    hook = dict(type='CheckpointHook', out_dir=str(tmp_path / 'far'))
    own = dict(type='CheckpointHook', by_epoch=False)
    return Config(
        dict(
            work_dir=str(tmp_path / 'run'),
            launcher='none',
            default_hooks=dict(checkpoint=hook),
            custom_hooks=[own],
        )
    )


def unfinished(folder: Path, name: str, age: float = 0.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'.{name}.0123abcd.unfinished'
    path.write_bytes(b'half')
    then = time.time() - age
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize(
    'name',
    [
        'last_checkpoint',
        'iter_200.pth',
        'best_coco_bbox_mAP_iter_200.pth',
        'iter_200_student.pth',
    ],
)
def test_files_of_a_killed_training_are_removed_at_once(name, cfg, tmp_path):
    path = unfinished(tmp_path / 'run', name)
    with hold_work_dir(cfg) as notes:
        assert not path.exists()
        ((_, text),) = notes
        assert f'removed {path}' in text


def test_an_export_into_the_work_dir_goes_on(cfg, tmp_path):
    out = tmp_path / 'run' / 'published.pth'
    with whole_file(out) as file:
        file.write(b'first half, ')
        with hold_work_dir(cfg) as notes:
            assert notes == []
        file.write(b'second half')
    assert out.read_bytes() == b'first half, second half'


@pytest.mark.parametrize(
    'folder, name',
    [('run', 'published.pth'), ('far/run', 'epoch_3.pth')],
    ids=['export', 'out_dir'],
)
def test_old_files_are_removed_from_shared_folders(
    folder, name, cfg, tmp_path
):
    path = unfinished(tmp_path / folder, name, age=590)
    with hold_work_dir(cfg):
        assert path.exists()
    path = unfinished(tmp_path / folder, name, age=610)
    with hold_work_dir(cfg):
        assert not path.exists()


def test_a_start_does_not_disturb_another_that_looks_at_the_clock(
    cfg, tmp_path, monkeypatch
):
    # Of a file system that cannot make a file without a name, as NFS.
    monkeypatch.setattr('tempfile._O_TMPFILE_WORKS', False)
    run, names = tmp_path / 'run', []
    run.mkdir()

    def unlink(path, *arguments, inner=os.unlink, **options):
        if not names:
            names.append(os.path.basename(path))
            with hold_work_dir(cfg):
                pass
        return inner(path, *arguments, **options)

    monkeypatch.setattr(os, 'unlink', unlink)
    assert file_system_time(run) > 0
    assert names[0].startswith('.training_time.')
    assert os.listdir(run) == []
    # One that was killed before does not stay for good.
    path = run / names[0]
    path.touch()
    os.utime(path, (time.time() - 610,) * 2)
    with hold_work_dir(cfg):
        assert not path.exists()


def test_the_clock_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr('tempfile._O_TMPFILE_WORKS', False)
    file_system_time(tmp_path)
    assert os.listdir(tmp_path) == []
