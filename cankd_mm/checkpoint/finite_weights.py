"""Weights are finite numbers."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

NON_FINITE_REMEDY = (
    'A training that diverged or a damaged copy leaves such weights: take an '
    'earlier checkpoint, or copy the file again'
)
_MOST_NAMED = 5
# What torch raises for a tensor that it cannot check: without values yet, of
# a layout or a number format without the operation.
_UNCHECKABLE = (RuntimeError, TypeError, ValueError)


class NonFiniteWeightsError(ValueError):
    """Weights hold NaN or infinity where numbers are needed."""


@dataclass(frozen=True)
class NonFinite:
    """A tensor that is not finite.

    Attributes:
        name: Its key in the state dict.
        nans: How many of its numbers are NaN.
        infinities: How many are infinite.
        size: How many numbers it has.
    """

    name: str
    nans: int
    infinities: int
    size: int

    def __str__(self) -> str:
        """The name and the counts."""
        counts = [
            f'{count} {what}'
            for count, what in ((self.nans, 'NaN'), (self.infinities, 'inf'))
            if count
        ]
        return f'{self.name} ({", ".join(counts)} of {self.size})'


def non_finite_tensors(
    state: Mapping[str, Tensor], model: nn.Module | None = None
) -> list[NonFinite]:
    """Return the tensors of a state dict that should be finite and are not.

    Some buffers are infinite by design, such as attention masks. Where the
    model is given, a tensor is left out if the model's own is not finite
    either. Otherwise a tensor is left out if it looks like a mask: zeros and
    infinities of one sign.

    Never raises: what torch cannot check is left out, such as the parameters
    of lazy modules.

    Args:
        state: Names and tensors; what is not a floating-point tensor with
            values is left out.
        model: The model that the state belongs to, before it is loaded. A
            key that it lacks is checked as without a model, since a module
            may rename keys when it loads them.
    """
    own = {} if model is None else model.state_dict()
    found = []
    for name, value in state.items():
        with contextlib.suppress(*_UNCHECKABLE):
            value = _numbers(value)
            if value is None or _is_finite(value):
                continue
            if not _is_by_design(value, own.get(name)):
                found.append(
                    NonFinite(
                        name,
                        int(value.isnan().sum()),
                        int(value.isinf().sum()),
                        value.numel(),
                    )
                )
    return found


def describe(found: list[NonFinite]) -> str:
    """Name the first tensors and count the others."""
    text = ', '.join(map(str, found[:_MOST_NAMED]))
    more = len(found) - _MOST_NAMED
    return text if more <= 0 else f'{text} and {more} more'


def require_finite(
    state: Mapping[str, Tensor],
    source: str,
    key: str,
    model: nn.Module | None = None,
) -> None:
    """Raise if weights are not finite.

    Args:
        state: Names and tensors.
        source: Where they come from: a path, for the message.
        key: The config key or option of ``source``, for the message.
        model: As in :func:`non_finite_tensors`.

    Raises:
        NonFiniteWeightsError: It names the first tensors, with counts.
    """
    raise_non_finite(
        non_finite_tensors(state, model), f'{key}={str(source)!r}'
    )


def raise_non_finite(found: list[NonFinite], source: str) -> None:
    """Raise for what :func:`non_finite_tensors` found, if anything.

    Args:
        found: The tensors.
        source: Key and file, for the message.

    Raises:
        NonFiniteWeightsError: There is at least one.
    """
    if found:
        plural = 's' * (len(found) > 1)
        raise NonFiniteWeightsError(
            f'{source}: {len(found)} tensor{plural} with NaN or infinite '
            f'weights: {describe(found)}; expected finite numbers. '
            f'{NON_FINITE_REMEDY}'
        )


def _numbers(value: object) -> Tensor | None:
    """Return a floating-point tensor that can be checked, None for others."""
    if (
        not isinstance(value, Tensor)
        or value.is_meta
        or is_lazy(value)
        or not (value.is_floating_point() or value.is_complex())
    ):
        return None
    # torch has no isfinite for the formats of one byte.
    return value.float() if value.element_size() == 1 else value


def _is_finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all())


def _is_by_design(value: Tensor, own: object) -> bool:
    """Return whether a tensor may hold infinity.

    Args:
        value: A tensor that is not finite.
        own: The model's tensor of the same name, if there is one.
    """
    with contextlib.suppress(*_UNCHECKABLE):
        own = _numbers(own)
        if own is not None:
            return not _is_finite(own)
    return _is_mask(value)


def _is_mask(value: Tensor) -> bool:
    if value.is_complex() or bool(value.isnan().any()):
        return False
    others = value[value.isfinite()]
    infinities = value[value.isinf()]
    return bool(
        others.numel()
        and (others == 0).all()
        and (infinities == infinities[0]).all()
    )
