"""Checks of constructor arguments, with errors that name the config key."""

from math import isfinite
from numbers import Integral, Real


def check_count(name: str, value: int) -> None:
    """Raises unless ``value`` is an integer of at least 1.

    Args:
        name: Name of the argument.
        value: What was given.

    Raises:
        TypeError: It is no integer.
        ValueError: It is below 1.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(
            f'`{name}` must be an integer of at least 1, found {value!r} '
            f'({type(value).__name__})'
        )
    if value < 1:
        raise ValueError(f'`{name}` must be at least 1, found {value}')


def check_flag(name: str, value: bool) -> None:
    """Raises unless ``value`` is True or False.

    Args:
        name: Name of the argument.
        value: What was given.

    Raises:
        TypeError: It is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(
            f'`{name}` must be True or False, found {value!r} '
            f'({type(value).__name__})'
        )


def check_weight(name: str, value: float) -> None:
    """Raises unless ``value`` is a finite number of at least 0.

    Args:
        name: Name of the argument.
        value: What was given.

    Raises:
        TypeError: It is no real number.
        ValueError: It is negative, infinite or NaN.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(
            f'`{name}` must be a number of at least 0, found {value!r} '
            f'({type(value).__name__})'
        )
    if not isfinite(value) or value < 0:
        raise ValueError(
            f'`{name}` must be finite and at least 0, found {value}'
        )
