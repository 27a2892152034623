"""A disk without room ends a run with a name, and takes nothing along."""

import os
import subprocess
import sys

import pytest
import torch

from cankd_mm.checkpoint.whole_file import leftovers, save_whole
from tests.commands import ROOT
from tests.test_reliability.digits_training import digest, train


def test_checkpoint_larger_than_a_file_may_be(tmp_path):
    code, output = train(tmp_path, epochs=1)
    assert code == 0, output[-3000:]
    kept = {
        name: digest(tmp_path / name)
        for name in ('epoch_1.pth', 'epoch_1_student.pth', 'last_checkpoint')
    }
    # Logs fit, a checkpoint does not.
    code, output = train(
        tmp_path, '--resume', epochs=2, fault=('file-size', 400_000)
    )
    assert code != 0
    error = output.strip().splitlines()[-1]
    assert f'{tmp_path}/epoch_2.pth was not written' in error
    assert 'File too large' in error
    assert 'MB is free' in error
    assert 'ulimit -f' in error
    for name, before in kept.items():
        assert digest(tmp_path / name) == before
    assert not leftovers(tmp_path)
    assert not (tmp_path / 'epoch_2.pth').exists()
    # With room again it goes on from where it was.
    code, output = train(tmp_path, '--resume', epochs=2)
    assert code == 0, output[-3000:]
    assert (tmp_path / 'epoch_2_student.pth').exists()


def test_student_that_does_not_fit_does_not_end_the_run(tmp_path):
    # A folder in its place cannot be replaced by a file.
    (tmp_path / 'epoch_1_student.pth' / 'taken').mkdir(parents=True)
    code, output = train(tmp_path, epochs=2)
    assert code == 0, output[-3000:]
    assert f'{tmp_path}/epoch_1_student.pth was not written' in output
    assert (tmp_path / 'epoch_2_student.pth').is_file()
    assert not leftovers(tmp_path)


def _mount(folder, size: int) -> list[str] | None:
    """The start of a command that runs with a small disk at a folder."""
    mount = f'mount -t tmpfs -o size={size} tmpfs {folder} && exec "$@"'
    command = ['sh', '-c', mount, 'sh']
    unshare = ['unshare', '--mount', '--user', '--map-root-user']
    for prefix in (unshare[:2] if os.geteuid() == 0 else unshare, unshare):
        tried = subprocess.run(
            [*prefix, *command, 'true'], capture_output=True, check=False
        )
        if tried.returncode == 0:
            return [*prefix, *command]
    return None


FILL = """
import sys, torch
import cankd_mm
from mmengine.runner import save_checkpoint

folder = sys.argv[1]
state = dict(state_dict=dict(weight=torch.zeros(120_000)))
save_checkpoint(state, f'{folder}/first.pth')
try:
    save_checkpoint(state, f'{folder}/second.pth')
except OSError as error:
    print(error)
import os
print(sorted(os.listdir(folder)))
torch.load(f'{folder}/first.pth')
"""


def test_disk_that_is_full(tmp_path):
    prefix = _mount(tmp_path, 700_000)
    if prefix is None:
        pytest.skip('this system lets no one mount a small disk')
    done = subprocess.run(
        [*prefix, sys.executable, '-c', FILL, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    error, files = done.stdout.strip().splitlines()[-2:]
    assert f'{tmp_path}/second.pth was not written: No space left' in error
    assert '0.2 MB is free' in error
    assert files == "['first.pth']"


@pytest.mark.parametrize('in_torch', [True, False])
def test_file_that_torch_cannot_write_is_named(
    tmp_path, monkeypatch, in_torch
):

    def save(content, file):
        if in_torch:
            raise RuntimeError(
                '[enforce fail at inline_container.cc:672] . unexpected pos'
            )
        raise OSError(28, 'No space left on device')

    path = tmp_path / 'model.pth'
    path.write_bytes(b'before')
    monkeypatch.setattr(torch, 'save', save)
    with pytest.raises(OSError, match='model.pth was not written'):
        save_whole({}, path)
    assert path.read_bytes() == b'before'
    assert not leftovers(tmp_path)
