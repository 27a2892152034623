"""`MMSyncBN` is the batch norm of the whole batch, with any process count."""

import json
import subprocess
import sys

import pytest
import torch
from mmcv.cnn import build_norm_layer
from mmcv.ops import SyncBatchNorm
from torch import nn

import cankd_mm  # noqa: F401
from cankd_mm import compat
from cankd_mm.compat import mmcv_sync_bn
from tests.commands import ROOT, launch_environment

# Two processes, one with each half of a batch.
SCRIPT = """
import json, sys
import cankd_mm
import torch
import torch.distributed as dist
from tests.test_compat.test_mmcv_sync_bn import batch, layer_of, trained
dist.init_process_group('gloo')
rank = dist.get_rank()
part = slice(rank * 2, rank * 2 + 2)
x, grad = (t[part] for t in batch())
layer = layer_of(stats_mode=sys.argv[1])
assert layer.group_size == 2
found = trained(layer, x, grad)
gathered = [None, None]
dist.all_gather_object(gathered, {k: v.tolist() for k, v in found.items()})
if rank == 0:
    with open(sys.argv[2], 'w') as file:
        json.dump(gathered, file)
dist.destroy_process_group()
"""


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (4, 3, 5, 6)
    x = torch.randn(shape, generator=generator) * 2 + 1
    return x, torch.randn(shape, generator=generator)


def layer_of(kind=SyncBatchNorm, **options) -> nn.Module:
    layer = kind(3, momentum=0.3, **options)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 1.0, -2.0]))
        layer.bias.copy_(torch.tensor([0.1, 0.0, 3.0]))
    return layer


def trained(layer, x, grad) -> dict[str, torch.Tensor]:
    x = x.clone().requires_grad_()
    output = layer(x)
    output.backward(grad)
    return dict(
        output=output.detach(),
        x=x.grad,
        weight=layer.weight.grad,
        bias=layer.bias.grad,
        running_mean=layer.running_mean,
        running_var=layer.running_var,
    )


def test_applied_once():
    assert 'mmcv_sync_bn' in compat.applied()
    assert not mmcv_sync_bn.needed()


@pytest.mark.parametrize('stats_mode', ['default', 'N'])
def test_one_process_is_a_batch_norm(stats_mode):
    x, grad = batch()
    found = trained(layer_of(stats_mode=stats_mode), x, grad)
    expected = trained(layer_of(nn.BatchNorm2d), x, grad)
    for name in expected:
        torch.testing.assert_close(
            found[name], expected[name], rtol=1e-4, atol=1e-5, msg=name
        )


def test_evaluation_uses_the_running_statistics():
    x, grad = batch()
    layers = layer_of(), layer_of(nn.BatchNorm2d)
    for layer in layers:
        trained(layer, x, grad)
    outputs = [layer.eval()(x) for layer in layers]
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)


def test_config_builds_it_without_a_process_group():
    name, layer = build_norm_layer(dict(type='MMSyncBN'), 4)
    assert isinstance(layer, SyncBatchNorm) and layer.group_size == 1


def test_flat_features():
    layer = layer_of()
    x = torch.randn(8, 3)
    torch.testing.assert_close(
        layer(x[..., None])[..., 0],
        layer_of(nn.BatchNorm1d)(x),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize('stats_mode', ['default', 'N'])
def test_an_empty_batch_leaves_the_statistics(stats_mode):
    x, grad = (t[:0] for t in batch())
    found = trained(layer_of(stats_mode=stats_mode), x, grad)
    assert found['output'].shape == found['x'].shape == x.shape
    assert not found['running_mean'].any()
    assert torch.equal(found['running_var'], torch.ones(3))
    assert not found['weight'].any() and not found['bias'].any()


def test_half_precision_and_strides():
    x, grad = (t.half() for t in batch())
    expected = trained(layer_of(nn.BatchNorm2d), x.float(), grad.float())
    for form in (torch.contiguous_format, torch.channels_last):
        found = trained(
            layer_of(),
            x.contiguous(memory_format=form),
            grad.contiguous(memory_format=form),
        )
        assert found['output'].dtype == found['x'].dtype == torch.float16
        for name in expected:
            torch.testing.assert_close(
                *(found[name].float(), expected[name]),
                **dict(rtol=1e-2, atol=1e-2, msg=name),
            )


@pytest.mark.parametrize('stats_mode', ['default', 'N'])
def test_two_processes_are_one_batch(stats_mode, tmp_path):
    result = tmp_path / 'result.json'
    processes = [
        subprocess.Popen(
            [sys.executable, '-c', SCRIPT, stats_mode, str(result)],
            cwd=ROOT,
            env=environment,
        )
        for environment in launch_environment(2)
    ]
    assert [process.wait(300) for process in processes] == [0, 0]
    ranks = json.loads(result.read_text())
    x, grad = batch()
    expected = trained(layer_of(nn.BatchNorm2d), x, grad)
    for name in ('output', 'x'):
        halves = torch.cat([torch.tensor(rank[name]) for rank in ranks])
        torch.testing.assert_close(
            halves, expected[name], rtol=1e-4, atol=1e-5, msg=name
        )
    for rank in ranks:
        for name in ('running_mean', 'running_var'):
            torch.testing.assert_close(
                torch.tensor(rank[name]),
                expected[name],
                rtol=1e-4,
                atol=1e-5,
                msg=name,
            )
        # The mean over processes, as DDP has it.
        for name in ('weight', 'bias'):
            torch.testing.assert_close(
                torch.tensor(rank[name]) * 2,
                expected[name],
                rtol=1e-4,
                atol=1e-4,
                msg=name,
            )
