"""Computes MMRazor's ``KDSoftCELoss`` without mmcls.

What breaks: the loss takes its cross entropy from mmcls, the predecessor of
mmpretrain, which does not import with current mmcv. Without mmcls the loss is
built, and the first iteration fails with ``PlaceHolder.__init__() got an
unexpected keyword argument 'reduction'``.

Here: the same cross entropy. Weights may have the shape that MMRazor
documents, (N, C), where mmcls accepts (N,) only.

Upstream: none that we know of.
Probe: whether the loss holds MMRazor's placeholder for mmcls.
Applied when ``mmrazor.models.losses.kd_soft_ce_loss`` has been imported.
Delete when a release of MMRazor does without mmcls.
"""

import sys

import torch.nn.functional as F
from torch import Tensor

_MODULE = 'mmrazor.models.losses.kd_soft_ce_loss'


def needed() -> bool:
    """Whether the cross entropy is a placeholder, which is a class."""
    return isinstance(sys.modules[_MODULE].soft_cross_entropy, type)


def apply() -> None:
    """Give the loss a cross entropy."""
    sys.modules[_MODULE].soft_cross_entropy = soft_cross_entropy


def soft_cross_entropy(
    pred: Tensor,
    label: Tensor,
    weight: Tensor | None = None,
    reduction: str | None = 'mean',
    avg_factor: float | None = None,
) -> Tensor:
    """Compute the cross entropy with a distribution over the classes.

    Args:
        pred: Logits, (N, C) or (..., C).
        label: Probabilities, of the same shape.
        weight: Weight of each sample, (N,), or of each class of each sample,
            (N, C). It does not change what 'mean' divides by.
        reduction: 'mean' or 'sum' over the samples, 'none' or None.
        avg_factor: What 'mean' divides by instead of N.

    Returns:
        The loss: a scalar, or (N,) without a reduction.

    Raises:
        ValueError: An unknown reduction, weights of another shape, or
            ``avg_factor`` together with ``reduction='sum'``.
    """
    if reduction not in (None, 'none', 'mean', 'sum'):
        raise ValueError(
            f"reduction={reduction!r}: expected 'none', 'mean' or 'sum'"
        )
    if reduction == 'sum' and avg_factor is not None:
        raise ValueError(
            f"reduction='sum' with avg_factor={avg_factor}: an average has "
            "reduction='mean'"
        )
    terms = -label * F.log_softmax(pred, dim=-1)
    if weight is not None:
        terms = terms * _per_class(weight, pred).to(terms)
    loss = terms.sum(-1)
    if reduction == 'sum':
        return loss.sum()
    if reduction == 'mean':
        return loss.mean() if avg_factor is None else loss.sum() / avg_factor
    return loss


def _per_class(weight: Tensor, pred: Tensor) -> Tensor:
    """Return weights that multiply the terms of the classes."""
    if weight.shape == pred.shape:
        return weight
    # Not left to broadcasting: (N,) and (N, C) fit each other where N is C.
    if weight.shape == pred.shape[:-1]:
        return weight.unsqueeze(-1)
    raise ValueError(
        f'weight of shape {tuple(weight.shape)} for predictions of shape '
        f'{tuple(pred.shape)}: expected {tuple(pred.shape[:-1])} or '
        f'{tuple(pred.shape)}'
    )
