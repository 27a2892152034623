"""A missing or broken torchvision is reported, and stops no run."""

import sys

import pytest
import torch

from cankd_mm.utils import torchvision_state
from cankd_mm.utils.torchvision_state import (
    torchvision_notice,
    torchvision_problem,
)
from tests.commands import run_tool, run_unchecked
from tests.digits_run import PLAIN

# What one raises that was built for another torch.
BROKEN = "raise RuntimeError('operator torchvision::nms does not exist')"


@pytest.fixture
def absent(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)


@pytest.fixture
def broken(tmp_path):
    package = tmp_path / 'broken' / 'torchvision'
    package.mkdir(parents=True)
    (package / '__init__.py').write_text(BROKEN)
    return package.parent


def test_absent(absent, monkeypatch):
    assert torchvision_problem() == 'absent'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert torchvision_notice() is None
    # On a GPU, where its kernels are missed.
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torchvision_state, '_needs_torchvision', lambda: True)
    assert 'torchvision is not installed' in torchvision_notice()
    assert 'pip install' in torchvision_notice()
    monkeypatch.setattr(torchvision_state, '_needs_torchvision', lambda: False)
    assert torchvision_notice() is None


def test_broken_counts_as_absent(broken, monkeypatch):
    monkeypatch.syspath_prepend(broken)
    # Restored afterwards, whatever the notice does to it.
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    del sys.modules['torchvision']
    assert 'nms does not exist' in torchvision_problem()
    assert 'does not work with torch' in torchvision_notice()
    with pytest.raises(ModuleNotFoundError):
        import torchvision  # noqa: F401


@pytest.mark.skipif(
    torchvision_problem() is not None, reason='torchvision does not work here'
)
def test_one_that_works():
    assert torchvision_notice() is None


def test_training_starts_beside_a_broken_one(broken, tmp_path):
    code, output = run_unchecked(
        *(sys.executable, 'tools/train.py', PLAIN),
        *('--work-dir', tmp_path / 'run'),
        *('--cfg-options', 'train_cfg.max_epochs=1'),
        'train_cfg.val_interval=100',
        'train_dataloader.batch_size=2',
        'train_dataloader.dataset.indices=4',
        PYTHONPATH=str(broken),
    )
    assert code == 0, output[-3000:]
    (log,) = (tmp_path / 'run').glob('*/*.log')
    assert 'does not work with torch' in log.read_text()


def test_environment_report_warns(broken):
    output = run_tool('check_env.py', PYTHONPATH=str(broken))
    assert 'WARNING: torchvision: operator torchvision::nms' in output
    assert output.strip().endswith('Ready.')
