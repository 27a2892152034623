"""Backward passes that are formulas of their own, not differentiable ones."""

from collections.abc import Callable
from functools import wraps

import torch


def first_derivatives_only(backward: Callable) -> Callable:
    """Lets a backward pass refuse ``create_graph=True``.

    Torch's ``once_differentiable`` returns a gradient that is silently
    constant where only the saved tensors need one.

    Args:
        backward: The static method of an autograd function.

    Returns:
        The same, which raises a RuntimeError if it were to be differentiated.
    """

    @wraps(backward)
    def checked(ctx, *grads):
        if torch.is_grad_enabled():
            raise RuntimeError(
                'this loss has first derivatives only: found '
                '`create_graph=True`, as gradient penalties use it'
            )
        return backward(ctx, *grads)

    return checked
