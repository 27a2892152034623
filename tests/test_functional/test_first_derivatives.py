"""What has first derivatives only says so."""

import pytest
import torch

from cankd_mm.functional.cankd import instance_norm_mse


def test_second_derivatives_are_refused():
    student, teacher = torch.randn(2, 1, 2, 3, 4)
    student.requires_grad_()
    value = instance_norm_mse(student, teacher)
    with pytest.raises(RuntimeError, match='create_graph'):
        torch.autograd.grad(value, student, create_graph=True)


def test_a_kept_graph_is_none():
    student, teacher = torch.randn(2, 1, 2, 3, 4)
    student.requires_grad_()
    value = instance_norm_mse(student, teacher)
    first = torch.autograd.grad(value, student, retain_graph=True)
    again = torch.autograd.grad(value, student)
    torch.testing.assert_close(again, first, rtol=0, atol=0)
