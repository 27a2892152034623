"""Sums over channels against torch's own steps."""

import pytest
import torch

from cankd_mm.functional import chunks
from cankd_mm.functional.channel_sums import (
    absolute_sum,
    channel_sums,
    squared_distance,
)


def make_maps(dtype=torch.float64):
    """A map with a 0 in it, and another one."""
    generator = torch.Generator().manual_seed(0)
    x, target = torch.randn(2, 2, 5, 3, 4, generator=generator).to(dtype)
    x[0, 1, 2, 3] = 0
    return x.requires_grad_(), target


def explicit_absolute(x, target):
    return (x.abs().sum(1, keepdim=True),)


def explicit_distance(x, target):
    return ((x - target).square().sum(1, keepdim=True),)


def explicit_all(x, target):
    return (
        *explicit_absolute(x, target),
        *explicit_absolute(target, x),
        *explicit_distance(x, target),
    )


PAIRS = [
    (lambda x, target: (absolute_sum(x),), explicit_absolute),
    (lambda x, target: (squared_distance(x, target),), explicit_distance),
    (channel_sums, explicit_all),
]
pairs = pytest.mark.parametrize(
    'found, explicit', PAIRS, ids=['absolute', 'distance', 'all']
)


def weighted(sums):
    """A scalar whose gradient differs from position to position."""
    return sum(
        (x * torch.linspace(factor, 5, x.numel()).view_as(x)).sum()
        for factor, x in enumerate(sums)
    )


@pairs
@pytest.mark.parametrize('elements', [1, 48, 1000])
def test_equal_torchs_steps(found, explicit, elements, monkeypatch):
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    x, target = make_maps()
    sums, expected = found(x, target), explicit(x, target)
    torch.testing.assert_close(sums, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(weighted(sums), x),
        torch.autograd.grad(weighted(expected), x),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize('used', [0, 2])
def test_either_sum_may_be_left_unused(used):
    x, target = make_maps()
    grads = [
        torch.autograd.grad(form(x, target)[used].sum(), x)
        for form in (channel_sums, explicit_all)
    ]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-12)


@pairs
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_features_are_summed_in_float32(found, explicit, dtype):
    x, target = make_maps(dtype)
    exact = x.detach().float().requires_grad_()
    sums, expected = found(x, target), explicit(exact, target.float())
    torch.testing.assert_close(sums, expected)
    (grad,) = torch.autograd.grad(weighted(sums), x)
    (expected_grad,) = torch.autograd.grad(weighted(expected), exact)
    torch.testing.assert_close(grad, expected_grad.to(dtype))


@pairs
def test_maps_in_channels_last_order_are_the_same_maps(found, explicit):
    x, target = make_maps()
    turned = x.detach().to(memory_format=torch.channels_last).requires_grad_()
    grads = [
        torch.autograd.grad(weighted(found(y, target)), y) for y in (x, turned)
    ]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-12)


@pairs
def test_nothing_but_the_maps_is_kept(found, explicit):
    x, target = make_maps()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.data_ptr()), lambda _: None
    ):
        found(x, target)
    assert set(kept) <= {x.data_ptr(), target.data_ptr()}


def test_target_gets_no_gradient():
    x, target = make_maps()
    sums = channel_sums(x, target.requires_grad_())
    assert [y.requires_grad for y in sums] == [True, False, True]
    sums[2].sum().backward()
    assert target.grad is None


@pairs
def test_second_derivatives_are_refused(found, explicit):
    x, target = make_maps()
    with pytest.raises(RuntimeError, match='first derivatives only'):
        torch.autograd.grad(weighted(found(x, target)), x, create_graph=True)
