"""Compares the gradients of distill losses and task loss at features."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from cankd_mm.utils.levels import no_autocast

# What gradients can be asked for: a tensor, or the place in the graph where
# its gradient arrives.
Feature = Tensor | GradientEdge

# What torch's message on reentrant checkpoints has in every release.
_CHECKPOINTED = ('heckpoint', 'compatible')


@dataclass(frozen=True)
class GradientNorms:
    """Norms of two gradients with respect to the same features.

    Attributes:
        distill: Norm of the gradient of a distill loss.
        task: Norm of the gradient of the task loss, 0 where it does not
            depend on the features.
    """

    distill: float
    task: float

    @property
    def ratio(self) -> float:
        """Return distill / task, inf without a task gradient.

        NaN if neither loss has a gradient, or one is not finite.
        """
        if not (math.isfinite(self.distill) and math.isfinite(self.task)):
            return math.nan
        if self.task:
            return self.distill / self.task
        return math.inf if self.distill else math.nan


def gradient_norms(
    task_loss: Tensor,
    distill_losses: Mapping[str, Tensor],
    features: Mapping[str, Sequence[Feature]],
    scale: float = 1.0,
) -> dict[str, GradientNorms]:
    """Compute the norms of both gradients for each distill loss.

    The graph is kept and no ``.grad`` changes, so the losses can be
    back-propagated afterwards.

    Args:
        task_loss: The sum of the student's own losses.
        distill_losses: Distill losses by name, with their weights.
        features: For each of them, the student's features which it compares.
            Those on which it does not depend count for neither norm.
        scale: Factor on the losses during the backward, for gradients too
            small for half precision. The norms are divided by it.

    Returns:
        The norms by name, each over all features of the loss together.

    Shape:
        - task_loss, distill_losses: scalar

    Raises:
        RuntimeError: A module downstream of a feature is checkpointed in the
            reentrant manner, which excludes gradients of features.
    """
    if not distill_losses:
        return {}
    every = [f for name in distill_losses for f in features[name]]
    norms = {}
    with no_autocast(next(iter(distill_losses.values()))):
        task_gradients = iter(_gradients(task_loss, every, scale))
        for name, loss in distill_losses.items():
            own = _gradients(loss, features[name], scale)
            task = list(islice(task_gradients, len(own)))
            norms[name] = GradientNorms(
                distill=_norm(own) / scale,
                task=_norm(
                    t for d, t in zip(own, task, strict=True) if d is not None
                )
                / scale,
            )
    return norms


def _gradients(
    loss: Tensor, features: Sequence[Feature], scale: float
) -> Sequence[Tensor | None]:
    """Return a gradient for each feature, None where there is none."""
    if not features or not loss.requires_grad:
        return [None] * len(features)
    try:
        return torch.autograd.grad(
            loss,
            list(features),
            grad_outputs=torch.full_like(loss, scale),
            retain_graph=True,
            allow_unused=True,
        )
    except RuntimeError as error:
        if not all(text in str(error) for text in _CHECKPOINTED):
            raise
        raise RuntimeError(
            'gradients of features cannot be computed through a module that '
            'is checkpointed in the reentrant manner (with_cp=True, '
            'use_checkpoint=True). Switch that off while measuring, such as '
            '--cfg-options model.architecture.backbone.with_cp=False'
        ) from error


def _norm(gradients: Iterable[Tensor | None]) -> float:
    """Return one norm over all gradients that are there."""
    squares = [
        torch.linalg.vector_norm(g, dtype=torch.float64).item() ** 2
        for g in gradients
        if g is not None
    ]
    return math.sqrt(math.fsum(squares))
