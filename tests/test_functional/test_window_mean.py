"""Means over windows against torch's average pooling."""

import pytest
import torch
import torch.nn.functional as F

from cankd_mm.functional import chunks
from cankd_mm.functional.window_mean import window_mean

CASES = pytest.mark.parametrize(
    'window', [(1, 1), (2, 3), (3, 1), (4, 4), (8, 9)], ids=str
)


def make_map():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(
        2, 5, 8, 9, dtype=torch.float64, generator=generator
    ).requires_grad_()


@CASES
@pytest.mark.parametrize('elements', [1, 300, 1000])
def test_equals_average_pooling(window, elements, monkeypatch):
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    x = make_map()
    means = window_mean(x, window), F.avg_pool2d(x, window)
    torch.testing.assert_close(*means, rtol=0, atol=1e-12)
    weights = torch.arange(means[0].numel()).view_as(means[0])
    grads = [torch.autograd.grad((y * weights).sum(), x) for y in means]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-12)


@CASES
def test_nothing_is_kept(window):
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda _: None):
        window_mean(make_map(), window)
    assert not kept


def test_gradients_can_be_differentiated():
    x = make_map()
    assert torch.autograd.gradgradcheck(lambda x: window_mean(x, (2, 3)), x)


def test_maps_in_channels_last_order_are_the_same_maps():
    x = make_map().detach()
    turned = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        window_mean(turned, (2, 3)), window_mean(x, (2, 3)), rtol=0, atol=0
    )


@pytest.mark.parametrize('elements', [1, 1000])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_maps_are_summed_in_float32(dtype, elements, monkeypatch):
    # Sums over a window leave float16's range and bfloat16's precision.
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    generator = torch.Generator().manual_seed(0)
    x = 5e4 + 1e4 * torch.rand(2, 3, 64, 32, generator=generator)
    x = x.to(dtype).requires_grad_()
    means = window_mean(x, (32, 32))
    expected = F.avg_pool2d(x.float(), 32).to(dtype)
    torch.testing.assert_close(means, expected)
    (grad,) = torch.autograd.grad(means.sum(), x)
    assert torch.equal(grad, torch.full_like(grad, 1 / 1024))
