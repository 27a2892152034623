"""Second moments against sums written out."""

import pytest
import torch

from cankd_mm.functional import chunks
from cankd_mm.functional.covariances import covariances


def make_maps(dtype=torch.float64):
    """Student and teacher, (2, 3, 10), around means that are not 0."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 2, 3, 10, generator=generator) + 2
    return student.to(dtype).requires_grad_(), teacher.to(dtype)


def written_out(student, teacher):
    batch, channels, positions = student.shape
    mean = student.sum(2) / positions
    theirs = teacher.sum(2) / positions
    own, cross, variance = [], [], []
    for b in range(batch):
        for i in range(channels):
            t = teacher[b, i] - theirs[b, i]
            variance.append((t * t).sum() / positions)
            for j in range(channels):
                s = student[b, j] - mean[b, j]
                first = student[b, i] - mean[b, i]
                own.append((first * s).sum() / positions)
                cross.append((t * s).sum() / positions)
    square = batch, channels, channels
    return (
        mean,
        torch.stack(own).view(square),
        torch.stack(cross).view(square),
        torch.stack(variance).view(batch, channels),
    )


def some_gradient(moments, student):
    """Of a sum that weights every moment differently."""
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (x * torch.randn(x.shape, generator=generator, dtype=x.dtype)).sum()
        for x in moments[:3]
    )
    return torch.autograd.grad(total, student)[0]


@pytest.mark.parametrize('elements', [1, 25, 1000])
def test_equals_the_sums_written_out(elements, monkeypatch):
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    student, teacher = make_maps()
    found = covariances(student, teacher, torch.float64)
    expected = written_out(student, teacher)
    torch.testing.assert_close(tuple(found), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        some_gradient(found, student),
        some_gradient(expected, student),
        rtol=1e-11,
        atol=1e-13,
    )


def test_maps_in_channels_last_order_are_the_same_maps():
    student, teacher = make_maps()
    turned = [
        x.detach().transpose(1, 2).contiguous().transpose(1, 2)
        for x in (student, teacher)
    ]
    turned[0].requires_grad_()
    gradients = [
        some_gradient(covariances(s, t, torch.float64), s)
        for s, t in ((student, teacher), turned)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)


def test_half_maps_are_summed_in_float32():
    student, teacher = make_maps(torch.bfloat16)
    found = covariances(student, teacher, torch.float32)
    assert {x.dtype for x in found} == {torch.float32}
    wide = student.detach().float().requires_grad_()
    expected = covariances(wide, teacher.float(), torch.float32)
    torch.testing.assert_close(tuple(found), tuple(expected))
    gradient = some_gradient(found, student)
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(
        gradient, some_gradient(expected, wide).bfloat16()
    )


def test_far_from_zero_the_digits_are_kept():
    student, teacher = make_maps(torch.float32)
    near = covariances(student, teacher, torch.float32)
    far = covariances(student + 4096, teacher - 4096, torch.float32)
    torch.testing.assert_close(
        tuple(far[1:]), tuple(near[1:]), rtol=1e-3, atol=1e-3
    )


def test_far_from_zero_the_gradient_keeps_its_digits():
    # Mirrored noise of few binary digits: float32 holds map and mean exactly.
    noise = [(16 * x.detach()).round() / 16 for x in make_maps()]
    student, teacher = (4096 + torch.cat((x, -x), 2) for x in noise)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        s = student.to(dtype).requires_grad_()
        _, own, cross, _ = covariances(s, teacher.to(dtype), dtype)
        total = own.square().sum() + cross.square().sum()
        gradients.append(torch.autograd.grad(total, s)[0].double())
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_teacher_is_a_constant_and_second_derivatives_are_refused():
    student, teacher = make_maps()
    found = covariances(student, teacher.requires_grad_(), torch.float64)
    assert not found.teacher_variance.requires_grad
    total = found.cross.square().sum()
    with pytest.raises(RuntimeError, match='first derivatives only'):
        torch.autograd.grad(total, student, create_graph=True)
