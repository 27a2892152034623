"""What has first derivatives only says so; what has second ones has them."""

import importlib
import pkgutil

import pytest
import torch

import cankd_mm.functional
from cankd_mm.functional.cankd import instance_norm_mse
from cankd_mm.functional.channel_sums import (
    absolute_sum,
)
from cankd_mm.functional.covariances import covariances
from cankd_mm.functional.pooled_projection import pooled_projection
from cankd_mm.functional.residual_error import residual_error
from cankd_mm.functional.window_mean import window_mean


def maps(*shape) -> tuple[torch.Tensor, torch.Tensor]:
    """A student's map, which gets a gradient, and a teacher's."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(
        2, *shape, dtype=torch.float64, generator=generator
    )
    return student.requires_grad_(), teacher


def of_instance_norm_mse():
    student, teacher = maps(1, 2, 3, 4)
    return instance_norm_mse(student, teacher), student


def of_channel_sums():
    student, _ = maps(1, 2, 3, 4)
    return absolute_sum(student).sum(), student


def of_covariances():
    student, teacher = maps(1, 2, 12)
    return covariances(student, teacher, torch.float64).student.sum(), student


def of_pooled_projection():
    x = maps(1, 3, 4, 4)[0].detach()
    weight = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    return pooled_projection(x, weight).square().sum(), weight


def of_residual_error():
    student, teacher = maps(2, 3, 12)
    query = torch.randn(2, 3).double(), torch.randn(2).double()
    branch, weight = torch.randn(2, 3, 2).double(), torch.ones(3).double()
    error, *_ = residual_error(student, teacher, query, branch, weight)
    return error, student


ONLY_FIRST = {
    '_InstanceNormMSE': of_instance_norm_mse,
    '_ChannelSums': of_channel_sums,
    '_Covariances': of_covariances,
    '_PooledProjection': of_pooled_projection,
    '_ResidualError': of_residual_error,
}
# Linear, and each other's adjoint.
ALL = {'_WindowMean', '_Spread'}


def test_every_function_of_the_package_is_listed():
    package = cankd_mm.functional
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f'{package.__name__}.{module.name}')
    found = {
        function.__name__
        for function in torch.autograd.Function.__subclasses__()
        if function.__module__.startswith(package.__name__)
    }
    assert found == ONLY_FIRST.keys() | ALL


@pytest.mark.parametrize('case', ONLY_FIRST.values(), ids=ONLY_FIRST)
def test_second_derivatives_are_refused(case):
    value, x = case()
    with pytest.raises(RuntimeError, match='create_graph'):
        torch.autograd.grad(value, x, create_graph=True)


@pytest.mark.parametrize('case', ONLY_FIRST.values(), ids=ONLY_FIRST)
def test_kept_graphs_give_the_same_again(case):
    value, x = case()
    first = torch.autograd.grad(value, x, retain_graph=True)
    again = torch.autograd.grad(value, x)
    torch.testing.assert_close(again, first, rtol=0, atol=0)


def test_means_of_windows_have_second_derivatives():
    x, _ = maps(1, 2, 5, 6)
    assert torch.autograd.gradgradcheck(
        lambda x: window_mean(x, (2, 3)).pow(3), x
    )
