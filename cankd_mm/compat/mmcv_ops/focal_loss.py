r"""Focal losses: ``{sigmoid,softmax}_focal_loss_{forward,backward}``.

Lin et al., "Focal Loss for Dense Object Detection",
https://arxiv.org/abs/1708.02002. With :math:`p` the probability of the
target,

.. math:: \mathrm{FL} = -\alpha (1 - p)^\gamma \log p

where the sigmoid form takes every class for a target of its own, and
:math:`1 - \alpha` and :math:`1 - p` for the classes a sample is not of.

Legend: N samples, C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cankd_mm.compat.mmcv_ops.common import at_least_float32

__all__ = [
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
]

_TINY = torch.finfo(torch.float32).tiny


def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Writes the focal loss of every sample and class.

    Args:
        input: Logits, (N, C).
        target: Classes, (N,); C stands for background.
        weight: Weight of each class, (C,), or an empty tensor.
        output: Receives the loss, (N, C).
        gamma: Exponent of the modulating factor.
        alpha: Weight of the positive class.
    """
    p, positive, balance = _sigmoid_terms(input, target, weight, alpha)
    loss = -balance * (1 - p).pow(gamma) * p.clamp(min=_TINY).log()
    output.copy_(loss)


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Writes the derivative of ``sigmoid_focal_loss_forward``.

    Args:
        input: Logits, (N, C).
        target: Classes, (N,); C stands for background.
        weight: Weight of each class, (C,), or an empty tensor.
        grad_input: Receives the derivative by the logits, (N, C).
        gamma: Exponent of the modulating factor.
        alpha: Weight of the positive class.
    """
    p, positive, balance = _sigmoid_terms(input, target, weight, alpha)
    log_p = p.clamp(min=_TINY).log()
    slope = (1 - p).pow(gamma) * (gamma * p * log_p - (1 - p))
    grad_input.copy_(balance * torch.where(positive, slope, -slope))


def _sigmoid_terms(input, target, weight, alpha):
    """Probability of being right, who is positive, and weights: (N, C)."""
    (logits,) = at_least_float32(input)
    classes = torch.arange(logits.shape[1], device=logits.device)
    positive = target[:, None] == classes
    # The sigmoid of -x instead of 1 - p keeps small probabilities exact.
    p = torch.where(positive, logits, -logits).sigmoid()
    flag = positive.to(logits)
    balance = alpha * flag + (1 - alpha) * (1 - flag)
    if len(weight):
        balance = balance * _class_weight(weight, target)[:, None]
    return p, positive, balance


def softmax_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Writes the focal loss of every sample.

    Args:
        input: Softmax probabilities, (N, C).
        target: Classes, (N,); samples with a negative one are ignored.
        weight: Weight of each class, (C,), or an empty tensor.
        output: Receives the loss, (N,).
        gamma: Exponent of the modulating factor.
        alpha: Weight of the loss.
    """
    p, balance = _softmax_terms(input, target, weight, alpha)
    output.copy_(-balance * (1 - p).pow(gamma) * p.clamp(min=_TINY).log())


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Writes the derivative of ``softmax_focal_loss_forward``.

    Args:
        input: Softmax probabilities, (N, C).
        target: Classes, (N,); samples with a negative one are ignored.
        weight: Weight of each class, (C,), or an empty tensor.
        buff: Receives p times the derivative by p, (N,).
        grad_input: Receives the derivative by the logits, (N, C).
        gamma: Exponent of the modulating factor.
        alpha: Weight of the loss.
    """
    p, balance = _softmax_terms(input, target, weight, alpha)
    log_p = p.clamp(min=_TINY).log()
    slope = balance * (
        gamma * (1 - p).pow(gamma - 1) * p * log_p - (1 - p).pow(gamma)
    )
    buff.copy_(slope)
    one_hot = F.one_hot(target.clamp(min=0), input.shape[1])
    grad_input.copy_(slope[:, None] * (one_hot - input))


def _softmax_terms(input, target, weight, alpha):
    """Probability of the target class, and weights: (N,)."""
    (softmax,) = at_least_float32(input)
    p = softmax.gather(1, target.clamp(min=0)[:, None])[:, 0]
    balance = alpha * (target >= 0).to(softmax)
    if len(weight):
        balance = balance * _class_weight(weight, target)
    return p, balance


def _class_weight(weight, target):
    # Background and ignored samples have no class weight, where mmcv reads
    # beyond the tensor; they get 1.
    return F.pad(weight.detach(), (0, 1), value=1)[target]
