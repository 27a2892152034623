"""`RoIAlign(use_torchvision=True)` works without torchvision."""

import sys

import pytest
import torch
from mmcv.ops import RoIAlign

from cankd_mm import compat
from cankd_mm.compat import mmcv_roi_align


@pytest.fixture
def no_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    monkeypatch.setitem(sys.modules, 'torchvision.ops', None)


def pooled(use_torchvision: bool) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 16, 16, generator=generator, requires_grad=True)
    rois = torch.tensor([[0, 4.0, 4, 40, 52], [1, 0, 8, 60, 20]])
    layer = RoIAlign(7, 0.25, 2, use_torchvision=use_torchvision)
    output = layer(x, rois)
    output.square().sum().backward()
    return output, x.grad


def test_applied_once():
    assert 'mmcv_roi_align' in compat.applied()
    assert not mmcv_roi_align.needed()


def test_without_torchvision_it_is_mmcvs_operator(no_torchvision):
    torch.testing.assert_close(pooled(True), pooled(False))


def test_with_torchvision_it_is_torchvisions():
    pytest.importorskip('torchvision.ops', exc_type=Exception)
    torch.testing.assert_close(pooled(True), pooled(False))
