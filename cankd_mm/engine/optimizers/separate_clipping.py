"""Clips the gradients of student and distiller apart."""

from collections.abc import Sequence

from mmengine.optim import OptimWrapper
from torch import nn


class SeparateClipping:
    """Mixed into the class of an optimizer wrapper that clips gradients.

    A recipe's ``max_norm`` is made for the student's gradients. In one norm
    with the distiller's, these would shrink the student's step. The student's
    norm is logged as ``grad_norm``, the distiller's as
    ``distiller_grad_norm``.
    """

    distiller_parameters: Sequence[nn.Parameter]

    def _clip_grad(self) -> None:
        of_distiller = set(map(id, self.distiller_parameters))
        groups = self.optimizer.param_groups
        self.optimizer.param_groups = [
            group
            for group in groups
            if not of_distiller.intersection(map(id, group['params']))
        ]
        try:
            super()._clip_grad()
        finally:
            self.optimizer.param_groups = groups
        trained = [p for p in self.distiller_parameters if p.grad is not None]
        if not trained:
            return
        norm = self.clip_func(trained, **self.clip_grad_kwargs)
        # `clip_grad_value_` returns None.
        if norm is not None:
            self.message_hub.update_scalar(
                'train/distiller_grad_norm', float(norm)
            )


def clip_separately(
    wrapper: OptimWrapper, parameters: Sequence[nn.Parameter]
) -> None:
    """Extend the class of a wrapper that clips gradients.

    Args:
        wrapper: Of the whole model, changed in place.
        parameters: The distiller's.
    """
    if not getattr(wrapper, 'clip_grad_kwargs', None):
        return
    kind = type(wrapper)
    wrapper.__class__ = type(
        kind.__name__,
        (SeparateClipping, kind),
        {'__module__': kind.__module__},
    )
    wrapper.distiller_parameters = parameters
