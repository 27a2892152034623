"""Chunks of channels, and that nothing depends on their size."""

import pytest
import torch

from cankd_mm.functional import chunks
from cankd_mm.functional.cankd import instance_norm_mse


@pytest.mark.parametrize('elements', [1, 30, 70, 10_000])
def test_chunks_take_every_channel_once_and_keep_their_size(
    elements, monkeypatch
):
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    x = torch.zeros(2, 7, 5)
    sizes = []
    taken = []
    for part in chunks.channel_chunks(x):
        sizes.append(x[:, part].numel())
        taken += range(7)[part]
    assert taken == list(range(7))
    assert max(sizes) <= max(elements, 10)


@pytest.mark.parametrize('elements', [1, 70])
def test_error_does_not_depend_on_the_chunks(elements, monkeypatch):
    maps = torch.randn(2, 2, 7, 5, 3, dtype=torch.float64).requires_grad_()
    whole = instance_norm_mse(*maps)
    expected = torch.autograd.grad(whole, maps)
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    value = instance_norm_mse(*maps)
    torch.testing.assert_close(value, whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(value, maps), expected, rtol=1e-12, atol=1e-15
    )
