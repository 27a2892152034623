"""Which paths and values of a checkpoint a resumed run takes over.

Whole runs are in ``tests/test_reliability/test_hostile_checkpoints.py``.
"""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import FlexibleRunner

from cankd_mm.checkpoint.config_text import ConfigTextError
from cankd_mm.compat import checkpoint_resume
from cankd_mm.compat.checkpoint_resume import (
    ForeignCheckpointError,
    _is_own,
    _pattern,
    _steps,
)
from tests.toy_run import Numbers, Toy


@pytest.mark.parametrize(
    ('template', 'name', 'fits'),
    [
        ('epoch_{}.pth', 'epoch_3.pth', True),
        ('epoch_{}.pth', 'epoch_x.pth', False),
        ('epoch_{}.pth', 'epoch_3xpth', False),
        ('iter_{:06d}.pth', 'iter_000003.pth', True),
        ('{}', '3', True),
        ('{}', '..', False),
    ],
)
def test_names_that_a_template_gives(template, name, fits):
    assert bool(re.fullmatch(_pattern(template), name)) == fits


def is_own(path, folder, key='best_ckpt'):
    return _is_own(path, str(folder), 'epoch_{}.pth', key)


def test_a_path_is_own_if_the_hook_wrote_it(tmp_path):
    folder = tmp_path / 'run'
    folder.mkdir()
    (tmp_path / 'link').symlink_to(folder)
    for name in ('best_a_epoch_1.pth', 'epoch_1.pth', 'best_epoch_1.pth'):
        (folder / name).touch()
        (tmp_path / name).touch()
    best = folder / 'best_a_epoch_1.pth'
    assert is_own(str(best), folder)
    assert is_own(str(tmp_path / 'link' / best.name), folder)
    assert is_own(str(best), tmp_path / 'link')
    assert is_own(f'{folder}/../run/{best.name}', folder)
    assert is_own(str(folder / 'epoch_1.pth'), folder, 'last_ckpt')
    assert not is_own(str(folder / 'epoch_1.pth'), folder)
    assert not is_own(str(folder / 'best_epoch_1.pth'), folder)
    assert not is_own(str(best), folder, 'last_ckpt')
    assert not is_own(str(tmp_path / best.name), folder)
    assert not is_own(str(folder / 'best_a_epoch_2.pth'), folder)
    assert not is_own(best, folder)
    assert not is_own(f'{best}\0', folder)


def test_a_path_on_a_storage_is_compared_as_text():
    folder = 's3://bucket/run'
    assert is_own(f'{folder}/best_a_epoch_1.pth', folder)
    assert not is_own('s3://other/run/best_a_epoch_1.pth', folder)
    assert not is_own(f'{folder}/../x/best_a_epoch_1.pth', folder)
    assert not is_own('/tmp/best_a_epoch_1.pth', folder)


@pytest.mark.parametrize(
    ('value', 'steps', 'warnings'),
    [
        ([1, 2], [1, 2], 0),
        ((3,), [3], 0),
        ([], [], 0),
        ([1, '../2', True, -3, 4.0, None], [1], 1),
        ('12', [], 1),
        (None, [], 1),
    ],
)
def test_steps(value, steps, warnings, logged):
    assert _steps(value) == steps
    assert len(logged) == warnings


def test_needed_where_the_hook_takes_over_any_path(monkeypatch):
    assert not checkpoint_resume.needed()
    monkeypatch.setattr(
        CheckpointHook,
        'before_train',
        CheckpointHook.before_train.__wrapped__.__wrapped__,
    )
    assert checkpoint_resume.needed()


def flexible_runner(work_dir, epochs: int, **arguments) -> FlexibleRunner:
    return FlexibleRunner(
        model=Toy(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=Numbers(),
            batch_size=4,
            sampler=dict(type='DefaultSampler', shuffle=True),
        ),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3)),
        param_scheduler=[dict(type='LinearLR', by_epoch=False, end=3)],
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        cfg=Config(dict(note='a run')),
        experiment_name=work_dir.name,
        **arguments,
    )


def test_the_flexible_runner_is_guarded_as_well(tmp_path):
    flexible_runner(tmp_path / 'first', epochs=1).train()
    path = str(tmp_path / 'first' / 'epoch_1.pth')
    second = flexible_runner(
        tmp_path / 'second', epochs=2, load_from=path, resume=True
    )
    second.train()
    assert second.iter == 4
    content = torch.load(path, weights_only=False)
    for key, value, error in (
        ('config', 'import os', ConfigTextError),
        ('epoch', 'one', ForeignCheckpointError),
    ):
        content['meta'][key] = value
        torch.save(content, path)
        third = flexible_runner(
            tmp_path / key, epochs=2, load_from=path, resume=True
        )
        with pytest.raises(error, match=key):
            third.train()
