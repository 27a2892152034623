"""A loss of features that are not finite is never a finite number.

Where a read of a value costs next to nothing, on a CPU and outside of
``torch.compile``, the losses look at their features and raise an error that
names them. On a GPU a read would wait for the device in every step; there,
and in :func:`values_unchecked`, NaN and infinity arrive in the loss.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

# Gradients of a larger loss overflow float32, or nearly.
LARGEST_LOSS = 1e25

_checked = ContextVar('values_checked', default=True)
# torch.compiler has it since 2.3.
_is_compiling = getattr(
    torch.compiler, 'is_compiling', torch._utils.is_compiling
)


@contextmanager
def values_unchecked() -> Iterator[None]:
    """Switch the losses' checks of values off.

    For callers that look at the loss themselves, as a training does: what is
    not finite arrives in the loss, as on a GPU. Checks of shapes and types
    remain.

    Examples:
        .. code-block:: python

            with values_unchecked():
                loss = loss_module(s_feature, t_feature)
    """
    token = _checked.set(False)
    try:
        yield
    finally:
        _checked.reset(token)


def values_are_checked(x: Tensor) -> bool:
    """Return whether values on a tensor's device are looked at now.

    Args:
        x: Any tensor of the computation. A fake one, with which torch traces
            or measures, has no values.
    """
    is_real = type(x) in (Tensor, torch.nn.Parameter)
    if _is_compiling() or x.device.type != 'cpu' or not is_real:
        return False
    return _checked.get()


def check_levels(name: str, levels: Sequence[Tensor], largest: float) -> None:
    """Raise unless each level of a feature passes :func:`check_values`.

    Args:
        name: Name of the feature, for error messages.
        levels: Its levels.
        largest: As for :func:`check_values`.

    Raises:
        ValueError: A level does not pass; the message has its index.
    """
    for index, level in enumerate(levels):
        check_values(f'level {index} of `{name}`', level, largest)


def check_values(name: str, x: Tensor, largest: float) -> None:
    """Raise unless values are finite and not too large to compute with.

    It reads them once. Where :func:`values_are_checked` is False it does
    nothing.

    Args:
        name: What the values are, for error messages.
        x: The values, of a floating point type.
        largest: Largest absolute value with which what is computed of them,
            and its gradients, do not overflow.

    Shape:
        - x: any

    Raises:
        ValueError: There are NaN, infinite or larger values.
    """
    if not values_are_checked(x):
        return
    x = x.detach()
    # No value is larger than the norm, which takes half the time of the
    # maximum of absolute values.
    dtype = torch.promote_types(x.dtype, torch.float32)
    if torch.linalg.vector_norm(x, dtype=dtype) <= largest:
        return
    found = f'{name}, of shape {tuple(x.shape)},'
    num_nan, num_inf = int(x.isnan().sum()), int(x.isinf().sum())
    if num_nan or num_inf:
        raise ValueError(
            f'{found} is not finite: {num_nan} NaN and {num_inf} infinite of '
            f'{x.numel()} values; expected finite ones. Look at the weights '
            'and the inputs of the model that they come from'
        )
    peak = float(x.abs().amax())
    if peak > largest:
        raise ValueError(
            f'{found} has values of up to {peak:g}; expected at most '
            f'{largest:g}: what is computed of larger ones overflows {dtype}. '
            'Record a module whose output is normalized'
        )


def check_loss(loss: Tensor, *features: Tensor) -> Tensor:
    """Return the loss if it is finite and not too large for its gradients.

    Args:
        loss: The loss.
        *features: Tensors of which it was computed, for error messages.

    Shape:
        - loss, output: scalar

    Raises:
        ValueError: It is neither; never where :func:`values_are_checked` is
            False.
    """
    if values_are_checked(loss) and not abs(loss.item()) <= LARGEST_LOSS:
        shapes = ' and '.join(str(tuple(x.shape)) for x in features)
        raise ValueError(
            f'the loss of finite features of shapes {shapes} is '
            f'{loss.item():g}; expected at most {LARGEST_LOSS:g} in absolute '
            'value. Lower `loss_weight` and the weights of its terms, or look '
            'at the weights of its layers'
        )
    return loss


def carry_non_finite(loss: Tensor, *features: Tensor) -> Tensor:
    """Return the loss, or NaN if a feature is not finite.

    For losses that do not read every value, or that compare values and go on
    with the result, where NaN and infinity would be lost. A finite loss and
    its gradients stay as they are, to the last bit. Nothing is read from the
    device.

    Args:
        loss: The loss.
        *features: Tensors of which it was computed.

    Shape:
        - loss, output: scalar
    """
    factor = torch.ones_like(loss)
    for x in features:
        x = x.detach()
        dtype = torch.promote_types(x.dtype, torch.float32)
        # A sum over anything that is not finite is not finite.
        is_finite = x.sum(dtype=dtype).isfinite()
        factor = factor.where(is_finite, torch.nan)
    return loss * factor
