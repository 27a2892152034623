"""Gradient ratios against closed forms, in float64."""

import math

import pytest
import torch
from torch.autograd.graph import get_gradient_edge
from torch.utils.checkpoint import checkpoint

from cankd_mm.pairing.gradient_ratio import GradientNorms, gradient_norms

N = 12


@pytest.fixture
def toy():
    """A feature ``p x`` with the task loss ``q sum(p x)``."""
    return Toy()


class Toy:
    def __init__(self) -> None:
        self.x = torch.linspace(-1, 2, N, dtype=torch.float64)
        self.t = torch.linspace(3, -2, N, dtype=torch.float64)
        self.p = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
        self.q = torch.tensor(-1.3, dtype=torch.float64, requires_grad=True)
        self.feature = self.p * self.x
        self.task = self.q * self.feature.sum()

    def distill(self, weight: float) -> torch.Tensor:
        return weight * (self.feature - self.t).square().sum() / 2

    def ratio(self, weight: float) -> float:
        """Of ``weight (p x - t)`` and of N times ``q``."""
        difference = 0.7 * self.x - self.t
        squares = sum(d.item() ** 2 for d in difference)
        return weight * math.sqrt(squares) / (1.3 * math.sqrt(N))


def norms(toy: Toy, loss: torch.Tensor, *features, **kwargs) -> GradientNorms:
    found = gradient_norms(
        toy.task, dict(a=loss), dict(a=features or [toy.feature]), **kwargs
    )
    return found['a']


def test_equals_closed_form(toy):
    found = norms(toy, toy.distill(2.5))
    assert found.ratio == pytest.approx(toy.ratio(2.5), rel=1e-14)
    assert found.task == pytest.approx(1.3 * math.sqrt(N), rel=1e-14)


@pytest.mark.parametrize('factor', [0.25, 8.0, 3.7])
def test_is_proportional_to_the_weight(toy, factor):
    once = norms(toy, toy.distill(1.0)).ratio
    scaled = norms(toy, toy.distill(factor)).ratio
    # Powers of two are exact; others round each element.
    exact = math.frexp(factor)[0] == 0.5
    assert scaled == pytest.approx(factor * once, rel=0 if exact else 1e-15)


def test_levels_count_with_one_norm(toy):
    second = toy.q.detach() * toy.p * toy.x.flip(0)
    task = toy.task + 4 * second.sum()
    loss = toy.distill(1.0) + 5 * second.sum()
    found = gradient_norms(task, dict(a=loss), dict(a=[toy.feature, second]))[
        'a'
    ]
    first = toy.ratio(1.0) * 1.3 * math.sqrt(N)
    assert found.distill == pytest.approx(math.hypot(first, 5 * math.sqrt(N)))
    assert found.task == pytest.approx(math.hypot(1.3, 4) * math.sqrt(N))


def test_level_that_the_distill_loss_ignores_does_not_count(toy):
    ignored = 100 * toy.p * toy.x
    task = toy.task + 1000 * ignored.sum()
    found = gradient_norms(
        task, dict(a=toy.distill(1.0)), dict(a=[ignored, toy.feature])
    )['a']
    assert found.ratio == pytest.approx(toy.ratio(1.0), rel=1e-14)


def test_losses_that_share_features_are_measured_separately(toy):
    losses = dict(a=toy.distill(1.0), b=toy.distill(3.0))
    features = dict(a=[toy.feature], b=[toy.feature])
    found = gradient_norms(toy.task, losses, features)
    assert found['a'].ratio == pytest.approx(toy.ratio(1.0), rel=1e-14)
    assert found['b'].ratio == pytest.approx(toy.ratio(3.0), rel=1e-14)


def test_place_in_the_graph_stands_for_its_tensor(toy):
    found = norms(toy, toy.distill(1.0), get_gradient_edge(toy.feature))
    assert found.ratio == pytest.approx(toy.ratio(1.0), rel=1e-14)


def test_scale_changes_no_norm(toy):
    assert norms(toy, toy.distill(2.0), scale=1024.0) == norms(
        toy, toy.distill(2.0)
    )


def test_scale_keeps_half_precision_gradients_from_vanishing():
    feature = torch.ones(4, dtype=torch.float16, requires_grad=True)
    task = 1e-9 * feature.float().sum()
    loss = 3e-9 * feature.float().sum()
    losses, features = dict(a=loss), dict(a=[feature])
    unscaled = gradient_norms(task, losses, features)['a']
    assert math.isnan(unscaled.ratio)
    scaled = gradient_norms(task, losses, features, 2.0**20)['a']
    assert scaled.ratio == pytest.approx(3, rel=2e-2)


def test_task_loss_that_does_not_reach_the_feature(toy):
    toy.task = toy.q * 2
    assert norms(toy, toy.distill(1.0)).ratio == math.inf


def test_task_loss_without_a_gradient(toy):
    toy.task = torch.zeros((), dtype=torch.float64)
    assert norms(toy, toy.distill(1.0)).ratio == math.inf


def test_distill_loss_without_features_has_no_ratio(toy):
    found = gradient_norms(toy.task, dict(a=toy.distill(1.0)), dict(a=[]))
    assert math.isnan(found['a'].ratio)


@pytest.mark.parametrize('bad', [math.inf, math.nan])
def test_gradients_that_are_not_finite_have_no_ratio(toy, bad):
    assert math.isnan(norms(toy, toy.distill(bad)).ratio)


def test_graph_and_gradients_stay(toy):
    total = toy.task + toy.distill(1.0)
    norms(toy, toy.distill(1.0))
    assert toy.p.grad is None and toy.q.grad is None
    total.backward()
    fresh = Toy()
    (fresh.task + fresh.distill(1.0)).backward()
    assert torch.equal(toy.p.grad, fresh.p.grad)
    assert torch.equal(toy.q.grad, fresh.q.grad)


def test_reentrant_checkpoint_downstream_is_an_error_with_a_remedy(toy):
    toy.task = checkpoint(torch.square, toy.feature, use_reentrant=True).sum()
    with pytest.raises(RuntimeError, match='with_cp=False'):
        norms(toy, toy.distill(1.0))


def test_other_checkpoint_downstream_is_measured(toy):
    toy.task = toy.q * checkpoint(torch.sum, toy.feature, use_reentrant=False)
    found = norms(toy, toy.distill(1.0))
    assert found.ratio == pytest.approx(toy.ratio(1.0), rel=1e-14)
