"""Measures distill losses in the training steps of a distilled student."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd.graph import GradientEdge

from cankd_mm.algorithms.distill_losses import raw_record
from cankd_mm.algorithms.distilled import Distilled
from cankd_mm.algorithms.nested_tensors import tensors_in
from cankd_mm.pairing.gradient_ratio import (
    Feature,
    GradientNorms,
    gradient_norms,
)

_PREFIX = 'distill.'


@dataclass(frozen=True)
class MeasuredStep:
    """One training step.

    Attributes:
        values: Value of each distill loss, with all its weights.
        total: The sum of all losses, which training minimizes.
        norms: Norms of the gradients, for each distill loss.
    """

    values: dict[str, float]
    total: float
    norms: dict[str, GradientNorms]


class MeasuredSteps:
    """Measures every training step of a model, and changes none.

    ``loss`` of the model is wrapped: between the forward and the backward of
    a step, gradients are computed on the step's own graph. Parameters get
    the same gradients as without.

    Args:
        model: A distilled student.
        loss_scale: Returns the present factor of mixed precision on losses.

    Attributes:
        steps: What was measured, in the order of the steps.
    """

    def __init__(
        self, model: Distilled, loss_scale: Callable[[], float] = lambda: 1.0
    ) -> None:
        self.model = model
        self.loss_scale = loss_scale
        self.steps: list[MeasuredStep] = []
        # Of the step that runs.
        self._features: dict[str, list[Feature]] = {}

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Measure the steps that are made in this context."""
        model = self.model
        loss, distill_losses = model.loss, model._distill_losses

        def measured_loss(*args, **kwargs) -> dict[str, Any]:
            self._features = {}
            losses = loss(*args, **kwargs)
            try:
                if self._features:
                    self.steps.append(self._measure(losses))
            finally:
                self._features = {}
            return losses

        def observed_distill_losses() -> dict[str, Tensor]:
            losses = distill_losses()
            # The model forgets its records right afterwards.
            self._features = recorded_features(model)
            return losses

        model.loss = measured_loss
        model._distill_losses = observed_distill_losses
        try:
            yield
        finally:
            del model.loss, model._distill_losses

    def _measure(self, losses: dict[str, Any]) -> MeasuredStep:
        parse = self.model.parse_losses
        total = parse(losses)[0]
        task = {k: v for k, v in losses.items() if not k.startswith(_PREFIX)}
        # Without any loss it is the number 0.
        task_loss = total.new_zeros(()) + parse(task)[0]
        distill = {
            name: parse({_PREFIX + name: losses[_PREFIX + name]})[0]
            for name in self._features
        }
        return MeasuredStep(
            values={name: loss.item() for name, loss in distill.items()},
            total=total.item(),
            norms=gradient_norms(
                task_loss, distill, self._features, self.loss_scale()
            ),
        )


def recorded_features(model: Distilled) -> dict[str, list[Feature]]:
    """Return the student's features that each distill loss compares.

    Args:
        model: Its recorders hold what a training forward has left there.

    Returns:
        For each distill loss, what its recorders hold before any connector.
        Features without a gradient are left out.
    """
    features = {}
    for name in model._loss_names():
        features[name] = [
            _in_graph(model, record['recorder'], tensor)
            for record in model.distiller.loss_forward_mappings[name].values()
            if record['from_student']
            for tensor in tensors_in(raw_record(model.distiller, record))
            if tensor.requires_grad
        ]
    return features


def _in_graph(model: Distilled, recorder: str, tensor: Tensor) -> Feature:
    """Return what the student goes on with: of a copied record, its original.

    The task loss does not depend on a copy. The original tensor may have been
    changed in place since; its place in the graph has not.
    """
    copied = model._student_records._copied
    node = tensor.grad_fn
    is_copy = copied is None or recorder in copied
    if is_copy and node is not None and node.name().startswith('CloneBack'):
        return GradientEdge(*node.next_functions[0])
    return tensor
