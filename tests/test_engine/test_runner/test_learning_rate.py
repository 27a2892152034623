"""One learning rate is announced, and it is the one that is set."""

import re

import pytest

from tests.commands import ROOT
from tests.forked_tools import fork_tool


@pytest.mark.parametrize('flag', [True, False], ids=['option', 'config'])
def test_accumulated_batches_are_images_of_a_step(flag, tmp_path):
    config = tmp_path / 'accumulate.py'
    base = ROOT / 'configs' / 'digits' / 'cankd_retinanet.py'
    config.write_text(
        f"""
_base_ = [{str(base)!r}]
train_dataloader = dict(batch_size=4, dataset=dict(indices=4))
train_cfg = dict(max_epochs=1)
val_cfg = val_dataloader = val_evaluator = None
param_scheduler = None
auto_scale_lr = dict(base_batch_size=16, enable={not flag})
optim_wrapper = dict(
    optimizer=dict(lr=0.002), accumulative_counts=8)
default_hooks = dict(logger=dict(interval=1))
"""
    )
    output = fork_tool(
        'train.py',
        config,
        *('--work-dir', tmp_path / 'run'),
        *(['--auto-scale-lr'] if flag else []),
    )
    assert 'this run has 32 and scales it' in output
    assert 'a step has 32 images' in output
    assert 'Scaling the original LR by 2.' in output
    (rate,) = re.findall(r'Epoch\(train\).*? lr: (\S+)', output)
    assert float(rate) == 0.004
    assert 'current batch size is' not in output
