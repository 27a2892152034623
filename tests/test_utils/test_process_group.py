"""A distributed run ends without threads that outlive it."""

import time
from pathlib import Path

import pytest
from mmengine.config import Config
from torch import distributed

from cankd_mm.utils.process_group import (
    join_process_group,
    leave_process_group,
)
from tests.commands import ROOT, launch
from tests.digits_run import TEACHER, data_options

TEACHER_CONFIG = 'configs/digits/teacher_retinanet.py'


def threads() -> list[str]:
    """The names of this process's threads that belong to gloo."""
    names = [
        path.read_text().strip()
        for path in Path('/proc/self/task').glob('*/comm')
    ]
    return [name for name in names if 'gloo' in name]


@pytest.mark.skipif(
    not Path('/proc/self/task').exists(), reason='counts threads on Linux'
)
def test_left_group_has_no_threads(tmp_path):
    distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    for _ in range(100):
        if threads():
            break
        # They name themselves, which takes a moment on a busy machine.
        time.sleep(0.1)
    assert threads()
    leave_process_group()
    assert not distributed.is_initialized()
    assert not threads()


def test_leaving_without_a_group_does_nothing():
    leave_process_group()


def test_other_launchers_need_a_gpu(monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(ValueError, match='--launcher slurm needs GPUs'):
        join_process_group(Config(dict(launcher='slurm')))


def test_tools_leave_their_group(tmp_path):
    (tmp_path / 'at_exit.py').write_text(
        'import atexit\n'
        'from torch import distributed\n'
        "atexit.register(lambda: print('in a group at the end:',"
        ' distributed.is_initialized()))\n'
    )
    config = tmp_path / 'config.py'
    config.write_text(
        f'_base_ = {str(ROOT / TEACHER_CONFIG)!r}\n'
        "custom_imports = dict(imports=['cankd_mm', 'at_exit'])\n"
    )
    output = launch(
        'dist_test.sh',
        *(config, TEACHER),
        *(1, '--work-dir', tmp_path / 'test', '--cfg-options'),
        *data_options(),
        PYTHONPATH=f'{ROOT}:{tmp_path}',
    )
    assert 'in a group at the end: False' in output
