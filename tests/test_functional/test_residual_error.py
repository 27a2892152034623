"""The error behind a normalised branch against torch's own steps."""

import pytest
import torch
import torch.nn.functional as F

from cankd_mm.functional import chunks
from cankd_mm.functional.residual_error import residual_error


def make_inputs():
    """Student, teacher, weight and bias of the query, mixing, gain."""
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 5, 12), (2, 5, 12), (3, 5), (3,), (2, 5, 3), (5,)
    return tuple(
        torch.randn(shape, generator=generator).double().requires_grad_(i != 1)
        for i, shape in enumerate(shapes)
    )


def explicit_error(student, teacher, weight, bias, mixing, gain):
    branch = mixing @ (weight @ student + bias[:, None])
    enriched = student + F.batch_norm(
        branch, None, None, gain, training=True, eps=1e-3
    )
    return F.mse_loss(
        F.instance_norm(enriched, eps=1e-2), F.instance_norm(teacher, eps=1e-2)
    )


def found_error(student, teacher, weight, bias, mixing, gain):
    return residual_error(
        student, teacher, (weight, bias), mixing, gain, 1e-3, 1e-2
    )


@pytest.mark.parametrize('elements', [1, 48, 1000])
def test_equals_batch_norm_skip_and_comparison(elements, monkeypatch):
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    inputs = make_inputs()
    trained = [x for x in inputs if x.requires_grad]
    value = found_error(*inputs)[0]
    expected = explicit_error(*inputs)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(3 * value, trained),
        torch.autograd.grad(3 * expected, trained),
        rtol=1e-11,
        atol=1e-13,
    )


def test_returns_the_statistics_of_the_branch():
    inputs = make_inputs()
    student, _, weight, bias, mixing, _ = inputs
    branch = mixing @ (weight @ student + bias[:, None])
    variance, mean = torch.var_mean(branch, (0, 2), correction=0)
    found = found_error(*inputs)[1:]
    torch.testing.assert_close(found, (mean.detach(), variance.detach()))
    assert not any(x.requires_grad for x in found)


def test_backward_passes_repeat():
    student, *others = make_inputs()
    value = found_error(student, *others)[0]
    first = torch.autograd.grad(value, student, retain_graph=True)
    again = torch.autograd.grad(value, student)
    torch.testing.assert_close(again, first, rtol=0, atol=0)


def test_maps_in_channels_last_order_are_the_same_maps():
    student, teacher, *others = make_inputs()
    turned = student.detach().transpose(1, 2).contiguous().transpose(1, 2)
    turned.requires_grad_()
    grads = [
        torch.autograd.grad(found_error(x, teacher, *others)[0], x)
        for x in (student, turned)
    ]
    torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-14)
