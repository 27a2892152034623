"""Several processes train what one process trains with the same images.

In float64, so that the order of sums is all that may differ. Segmentors,
because every image has the same number of pixels: a detector's loss is a mean
over the boxes of a process, and differs between processes by design of MMDet,
with a teacher or without. For the same reason no layer may use the statistics
of a process's own images: the student's BatchNorm keeps its running ones or
is a GroupNorm, and CanKD's is left out (``use_norm=False``).
"""

import json
import signal
from pathlib import Path

import pytest
import torch

from tests.commands import ROOT, launch
from tests.forked_tools import fork_tool
from tests.reliability_table import count

IMAGES, BATCH = 24, 8
METHODS = dict(
    cankd='cankd_segmentor',
    tat='tat_segmentor',
    lakd='lakd_segmentor',
    cskd='cskd_segformer',
)
# 2e-14 was found. Gradients of the distiller that are not averaged make 1e-3,
# another batch 3e-2.
TOLERANCE = 1e-11


def config(folder: Path, method: str, ranks: int) -> Path:
    """A config of three iterations whose batch is shared between ranks."""
    path = folder / f'{method}_{ranks}.py'
    path.write_text(
        f"""
_base_ = [{str(ROOT / 'configs' / 'digits' / METHODS[method])!r} + '.py']
custom_imports = dict(
    imports=['cankd_mm', 'tests.test_reliability.double_precision'],
    allow_failed_imports=False)
student = dict(
    data_preprocessor=dict(type='DoubleSegDataPreProcessor'),
    decode_head=dict(
        dropout_ratio=0.0,
        norm_cfg=dict(_delete_=True, type='GN', num_groups=4),
        loss_decode=dict(class_weight=None)))
if {method!r} != 'cskd':
    student['backbone'] = dict(norm_eval=True)
model = dict(architecture=student)
if {method!r} == 'cankd':
    model['distiller'] = dict(
        distill_losses=dict(loss_cankd=dict(use_norm=False)))
train_cfg = dict(max_epochs=1)
val_cfg = val_dataloader = val_evaluator = None
train_dataloader = dict(
    batch_size={BATCH // ranks},
    sampler=dict(shuffle=False),
    dataset=dict(indices={IMAGES}))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.01, momentum=0.9))
default_hooks = dict(logger=dict(interval=1))
"""
    )
    return path


def weights(work_dir: Path) -> dict[str, torch.Tensor]:
    state = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
    return state['state_dict']


@pytest.fixture(scope='module')
def one_process(tmp_path_factory):
    """Weights of each method after training in one process."""
    folder = tmp_path_factory.mktemp('one')
    made = {}

    def train(method: str) -> dict[str, torch.Tensor]:
        if method not in made:
            work_dir = folder / method
            fork_tool(
                'train.py',
                config(folder, method, 1),
                *('--work-dir', work_dir),
            )
            made[method] = weights(work_dir)
        return made[method]

    return train


def require_equal(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    parts = {name.partition('.')[0] for name in found}
    assert {'backbone', 'distiller'} <= parts
    for name, value in expected.items():
        if value.is_floating_point():
            assert value.dtype == torch.float64, name
        gap = (found[name] - value).abs().max()
        assert gap < TOLERANCE, f'{name}: {gap:.1e}'


@pytest.mark.parametrize('method', METHODS)
def test_two_processes_train_what_one_does(
    method, one_process, tmp_path, record_property
):
    count(record_property, 'ranks', 2)
    work_dir, output = tmp_path / 'run', tmp_path / 'output'
    codes = fork_tool(
        '../tests/forked_together.py',
        *('ranks', 2, output, ROOT / 'tools' / 'train.py'),
        *(config(tmp_path, method, 2), '--work-dir', work_dir),
    )
    assert json.loads(codes.splitlines()[-1]) == [0, 0], Path(
        f'{output}.0'
    ).read_text()[-3000:]
    require_equal(weights(work_dir), one_process(method))


@pytest.mark.slow
@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('ranks', [2, 4])
def test_launched_processes_train_what_one_does(
    method, ranks, one_process, tmp_path, record_property
):
    count(record_property, 'ranks', ranks)
    work_dir = tmp_path / 'run'
    launch(
        'dist_train.sh',
        config(tmp_path, method, ranks),
        ranks,
        *('--work-dir', work_dir),
    )
    require_equal(weights(work_dir), one_process(method))


@pytest.mark.parametrize('rank', [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_process_ends_the_run_which_can_be_resumed(
    rank, tmp_path, record_property
):
    count(record_property, 'kills')
    work_dir = tmp_path / 'run'
    killed = tmp_path / 'killed.py'
    killed.write_text(
        f"""
_base_ = [{str(config(tmp_path, 'cankd', 2))!r}]
custom_imports = dict(imports=[
    'cankd_mm',
    'tests.test_reliability.double_precision',
    'tests.test_reliability.signal_hook'])
custom_hooks = [dict(
    type='SignalHook', number={int(signal.SIGKILL)}, after=5, rank={rank})]
train_cfg = dict(max_epochs=3)
"""
    )
    # Without an end this would hang until the test run is ended.
    with pytest.raises(AssertionError, match='SIGKILL'):
        launch('dist_train.sh', killed, 2, '--work-dir', work_dir)
    assert weights(work_dir)
    assert not (work_dir / 'epoch_2.pth').exists()

    fork_tool(
        'train.py',
        config(tmp_path, 'cankd', 1),
        *('--work-dir', work_dir, '--resume'),
        *('--cfg-options', 'train_cfg.max_epochs=2'),
    )
    assert (work_dir / 'epoch_2.pth').exists()
    assert not list(work_dir.glob('.training.lock*'))
