import math

import pytest
import torch
from mmcv.ops import (
    SigmoidFocalLoss,
    SoftmaxFocalLoss,
    sigmoid_focal_loss,
    softmax_focal_loss,
)

from cankd_mm.compat import mmcv_ops

pytestmark = pytest.mark.skipif(
    not mmcv_ops.needed(), reason='compiled mmcv has these on the GPU only'
)
REDUCTIONS = {
    'none': lambda loss: loss,
    'mean': lambda loss: loss.sum() / len(loss),
    'sum': lambda loss: loss.sum(),
}


def problem():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64) * 3
    weight = torch.rand(4, generator=generator, dtype=torch.float64)
    return logits, torch.tensor([0, 3, 1, 1, 2, 0]), weight


def sigmoid_reference(logits, target, gamma, alpha, weight):
    loss = torch.zeros(logits.shape, dtype=torch.float64)
    for n, row in enumerate(logits.tolist()):
        for c, logit in enumerate(row):
            p = 1 / (1 + math.exp(-logit))
            if target[n] == c:
                value = -alpha * (1 - p) ** gamma * math.log(p)
            else:
                value = -(1 - alpha) * p**gamma * math.log(1 - p)
            loss[n, c] = value * weight[target[n]]
    return loss


def softmax_reference(logits, target, gamma, alpha, weight):
    loss = torch.zeros(len(logits), dtype=torch.float64)
    for n, row in enumerate(logits.tolist()):
        if target[n] >= 0:
            p = math.exp(row[target[n]]) / sum(map(math.exp, row))
            loss[n] = -alpha * (1 - p) ** gamma * math.log(p)
            loss[n] *= weight[target[n]]
    return loss


@pytest.mark.parametrize('weighted', [True, False])
@pytest.mark.parametrize('gamma, alpha', [(2.0, 0.25), (0.5, 0.6)])
@pytest.mark.parametrize('reduction', REDUCTIONS)
@pytest.mark.parametrize(
    'operator, expected',
    [
        (sigmoid_focal_loss, sigmoid_reference),
        (softmax_focal_loss, softmax_reference),
    ],
)
def test_equals_the_formula(
    operator, expected, reduction, gamma, alpha, weighted, device
):
    logits, target, weight = problem()
    loss = operator(
        logits.to(device),
        target.to(device),
        gamma,
        alpha,
        weight.to(device) if weighted else None,
        reduction,
    )
    if not weighted:
        weight = torch.ones(4, dtype=torch.float64)
    value = expected(logits, target, gamma, alpha, weight)
    torch.testing.assert_close(
        loss.cpu(), REDUCTIONS[reduction](value), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize('weighted', [True, False])
@pytest.mark.parametrize('gamma, alpha', [(2.0, 0.25), (0.5, 0.6)])
@pytest.mark.parametrize('operator', [sigmoid_focal_loss, softmax_focal_loss])
def test_gradient(operator, gamma, alpha, weighted):
    logits, target, weight = problem()
    torch.autograd.gradcheck(
        lambda x: operator(
            x, target, gamma, alpha, weight if weighted else None, 'sum'
        ),
        (logits.requires_grad_(),),
    )


def test_background_is_negative_for_every_class():
    logits, _, weight = problem()
    background = torch.full((6,), 4)
    loss = sigmoid_focal_loss(logits, background, 2.0, 0.25, None, 'none')
    p = logits.sigmoid()
    torch.testing.assert_close(loss, -0.75 * p**2 * (1 - p).log())
    # Its class weight is 1.
    weighted = sigmoid_focal_loss(
        logits, background, 2.0, 0.25, weight, 'none'
    )
    assert torch.equal(weighted, loss)


def test_softmax_ignores_negative_targets():
    logits, target, _ = problem()
    target[2] = -1
    logits.requires_grad_()
    loss = softmax_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    assert loss[2] == 0
    softmax_focal_loss(logits, target, 2.0, 0.25, None, 'sum').backward()
    assert not logits.grad[2].any()
    assert logits.grad[[0, 1, 3, 4, 5]].all()


@pytest.mark.parametrize('layer', [SigmoidFocalLoss, SoftmaxFocalLoss])
def test_extreme_logits_stay_finite(layer):
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]])
    logits.requires_grad_()
    loss = layer(2.0, 0.25)(logits, torch.tensor([0, 0]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize('operator', [sigmoid_focal_loss, softmax_focal_loss])
def test_no_samples(operator):
    logits = torch.zeros(0, 4, requires_grad=True)
    loss = operator(logits, torch.zeros(0).long(), 2.0, 0.25, None, 'sum')
    loss.backward()
    assert loss == 0
    assert logits.grad.shape == (0, 4)
