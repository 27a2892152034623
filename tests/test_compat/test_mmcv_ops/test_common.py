import sys
import types

import pytest
import torch

from cankd_mm.compat.mmcv_ops import common


@pytest.fixture(autouse=True)
def fresh_probe():
    common._torchvision_runs_on.cache_clear()
    yield
    common._torchvision_runs_on.cache_clear()


def test_torchvision_built_for_another_torch_is_survived(
    monkeypatch, tmp_path, recwarn
):
    (tmp_path / 'torchvision.py').write_text(
        "import warnings; warnings.warn('no image.so')\n"
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'torchvision', raising=False)
    assert common.torchvision_ops(torch.rand(1)) is None
    assert not recwarn


def test_torchvision_without_working_operators_is_survived(monkeypatch):
    monkeypatch.setitem(
        sys.modules, 'torchvision', types.ModuleType('torchvision')
    )

    def nms(*args):
        raise NotImplementedError('no kernel for this device')

    monkeypatch.setattr(
        torch.ops, 'torchvision', types.SimpleNamespace(nms=nms)
    )
    assert common.torchvision_ops(torch.rand(1)) is None


def test_torchvision_that_works_is_used(monkeypatch):
    monkeypatch.setitem(
        sys.modules, 'torchvision', types.ModuleType('torchvision')
    )
    ops = types.SimpleNamespace(nms=lambda *args: None)
    monkeypatch.setattr(torch.ops, 'torchvision', ops)
    assert common.torchvision_ops(torch.rand(1)) is ops


def test_gradients_of_a_product():
    a, b = torch.tensor([2.0, 3.0]), torch.tensor([5.0, 7.0])
    with torch.no_grad():
        grads = common.gradients(torch.mul, (a, b), torch.ones(2))
    assert torch.equal(grads[0], b)
    assert torch.equal(grads[1], a)


def test_half_precision_is_raised():
    half, double = common.at_least_float32(
        torch.ones(1, dtype=torch.bfloat16),
        torch.ones(1, dtype=torch.float64, requires_grad=True),
    )
    assert half.dtype == torch.float32
    assert double.dtype == torch.float64
    assert not double.requires_grad
