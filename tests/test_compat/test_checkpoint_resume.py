"""Which paths and values of a checkpoint a resumed run takes over.

Whole runs are in ``tests/test_reliability/test_hostile_checkpoints.py``.
"""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.optim import _ParamScheduler
from mmengine.runner import FlexibleRunner

from cankd_mm.checkpoint.config_text import ConfigTextError
from cankd_mm.compat import checkpoint_resume
from cankd_mm.compat.checkpoint_resume import (
    ForeignCheckpointError,
    _Check,
    _check_schedulers,
    _drop_scores,
    _is_own,
    _steps,
)
from tests.toy_run import Numbers, Toy


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


@pytest.mark.parametrize('out_dir', ['s3://b/dir', 's3://b/dir/'])
def test_the_files_of_a_run_on_a_storage_are_its_own(out_dir, logged):
    info = dict(last_ckpt='s3://b/dir/run/epoch_1.pth')
    runner = SimpleNamespace(
        message_hub=SimpleNamespace(runtime_info=info),
        work_dir='/work_dirs/run',
    )
    hook = CheckpointHook(out_dir=out_dir, filename_tmpl='epoch_{}.pth')
    checkpoint_resume._in_own_folder(lambda *_: None)(hook, runner)
    assert 'last_ckpt' in info and not logged


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


@pytest.mark.parametrize(
    ('score', 'found'),
    [
        (0.5, 0.5),
        (np.float64(0.5), 0.5),
        (np.array(0.5), 0.5),
        (torch.tensor(0.5), 0.5),
        (torch.tensor(3), 3),
        (torch.tensor(float('nan')), None),
        (torch.tensor(1j), None),
        (torch.zeros(2), None),
        (torch.zeros((), device='meta'), None),
        (float('inf'), None),
        pytest.param(10**400, None, id='large'),
        ('0.5', None),
        (None, None),
    ],
)
@pytest.mark.parametrize('metric', ['', '_acc'])
def test_a_score_is_taken_over_or_forgotten_with_its_file(
    score, found, metric, logged
):
    others = dict(best_ckpt_other='b', best_score_other=1.0)
    info = {f'best_score{metric}': score, f'best_ckpt{metric}': 'a', **others}
    _drop_scores(info, 'a.pth')
    assert others.items() <= info.items()
    if found is None:
        assert info == others
        assert len(logged) == 1
    else:
        assert info[f'best_score{metric}'] == found
        assert isinstance(info[f'best_score{metric}'], int | float)
        assert info[f'best_ckpt{metric}'] == 'a' and not logged


class Halving(_ParamScheduler):
    """With a default on the class, and each kind of code."""

    gamma = 0.5

    def __init__(self, optimizer, gamma=0.1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, 'lr')

    def _get_value(self) -> list[float]:
        return [
            group['lr'] * self.gamma for group in self.optimizer.param_groups
        ]

    @functools.cached_property
    def cached(self) -> int:
        return 1

    @property
    def is_done(self) -> bool:
        return False

    @classmethod
    def of_class(cls) -> None: ...

    @staticmethod
    def static() -> None: ...


def check_scheduler(**others) -> None:
    optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=0.1)
    scheduler = Halving(optimizer)
    assert scheduler.cached == 1
    _check_schedulers(
        _Check('a.pth'),
        [{**scheduler.state_dict(), **others}],
        SimpleNamespace(param_schedulers=[scheduler]),
    )


def test_a_scheduler_may_have_defaults_on_its_class():
    check_scheduler()


@pytest.mark.parametrize(
    'name',
    ['is_done', 'of_class', 'static', '_get_value', 'step', '__class__'],
)
def test_no_code_of_a_scheduler_is_replaced(name):
    with pytest.raises(ForeignCheckpointError, match=name):
        check_scheduler(**{name: 1})


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
