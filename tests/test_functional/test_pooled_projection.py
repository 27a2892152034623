"""Projection and pooling in one against both steps."""

import pytest
import torch
import torch.nn.functional as F

from cankd_mm.functional import chunks
from cankd_mm.functional.pooled_projection import pooled_projection


def two_steps(x, weight):
    return F.max_pool2d(torch.einsum('dc,bchw->bdhw', weight, x), 2)


@pytest.mark.parametrize('elements', [1, 100, 2**20])
@pytest.mark.parametrize('shape', [(2, 3, 6, 8), (3, 2, 9, 7), (1, 1, 2, 3)])
def test_equals_projection_then_pooling(shape, elements, monkeypatch):
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).double()
    weight = torch.randn(4, shape[1], generator=generator).double()
    weight.requires_grad_()
    found, expected = pooled_projection(x, weight), two_steps(x, weight)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    ahead = torch.randn(found.shape, generator=generator).double()
    torch.testing.assert_close(
        torch.autograd.grad(found, weight, ahead),
        torch.autograd.grad(expected, weight, ahead),
        rtol=1e-12,
        atol=1e-12,
    )


def test_computes_in_the_type_of_the_weight():
    x = torch.randn(2, 3, 4, 4).half()
    weight = torch.randn(5, 3)
    torch.testing.assert_close(
        pooled_projection(x, weight), two_steps(x.float(), weight)
    )
