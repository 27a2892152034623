"""Checkpoints are whole; what else MMEngine writes is as it was."""

import os

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.runner import checkpoint, save_checkpoint

from cankd_mm.compat import checkpoint_saving


@pytest.fixture
def flushed(monkeypatch):
    """The number of flushes to the disk, as they come."""
    calls = []
    fsync = os.fsync

    def count(descriptor):
        calls.append(descriptor)
        return fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', count)
    return calls


def test_saved_checkpoint_is_flushed(tmp_path, flushed):
    save_checkpoint(dict(a=torch.ones(1)), str(tmp_path / 'a.pth'))
    assert checkpoint.save_checkpoint is save_checkpoint
    assert len(flushed) == 2
    assert torch.load(tmp_path / 'a.pth')['a'] == 1


def test_other_files_are_not(tmp_path, flushed):
    LocalBackend().put(b'picture', tmp_path / 'a.png')
    assert not flushed
    assert (tmp_path / 'a.png').read_bytes() == b'picture'


def test_removal_is_not_before_the_save_any_more():
    assert not checkpoint_saving.needed()
