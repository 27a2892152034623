"""LocalBackwardHook: the optimizer reaches a model that DDP wraps."""

import json
import sys
from types import SimpleNamespace

import pytest
from mmengine.registry import HOOKS
from torch import nn

from cankd_mm.engine import LocalBackwardHook
from tests.commands import run


class Student(nn.Module):
    """What the hook sees of an algorithm."""

    def __init__(self, local_backward: bool = True) -> None:
        super().__init__()
        self.local_backward = local_backward
        self.optim_wrapper = None
        self.layer = nn.Linear(1, 1)


def test_is_registered():
    assert isinstance(
        HOOKS.build(dict(type='LocalBackwardHook')), LocalBackwardHook
    )


@pytest.mark.parametrize('wanted', [True, False])
def test_hands_the_optimizer_over_for_each_iteration(wanted):
    model = Student(wanted)
    runner = SimpleNamespace(model=model, optim_wrapper=object())
    hook = LocalBackwardHook()
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    held = runner.optim_wrapper if wanted else None
    assert model.optim_wrapper is held
    hook.after_train_iter(runner, 0)
    assert model.optim_wrapper is None


def test_leaves_plain_models_alone():
    model = nn.Linear(1, 1)
    runner = SimpleNamespace(model=model, optim_wrapper=object())
    hook = LocalBackwardHook()
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    hook.after_train_iter(runner, 0)
    assert not hasattr(model, 'optim_wrapper')


def test_other_wrappers_are_refused_by_name(monkeypatch):
    wrapper = nn.DataParallel(Student())
    runner = SimpleNamespace(model=wrapper, optim_wrapper=object())
    with pytest.raises(ValueError, match='DataParallel'):
        LocalBackwardHook().before_train(runner)
    wrapper.module.local_backward = False
    LocalBackwardHook().before_train(runner)


def test_two_processes_train_as_with_one_backward(tmp_path):
    run(
        *(sys.executable, '-m', 'torch.distributed.run'),
        *('--standalone', '--nproc_per_node=2'),
        *('-m', 'tests.distributed_local_backward', tmp_path / 'found.json'),
        CUDA_VISIBLE_DEVICES='',
    )
    found = json.loads((tmp_path / 'found.json').read_text())
    assert len(found) == 4
    for name, difference in found.items():
        assert difference['to_summed'] < 1e-10, name
        assert difference['to_other_process'] == 0, name
