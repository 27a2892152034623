"""Checks of constructor arguments, with errors that name the config key."""

from collections.abc import Callable, Sequence
from math import inf
from numbers import Integral, Real

LARGEST_WEIGHT = 1e10


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


def check_integer(name: str, value: int) -> None:
    """Raise unless ``value`` is an integer.

    Args:
        name: Name of the argument.
        value: What was given.

    Raises:
        TypeError: It is no integer.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(
            f'`{name}` must be an integer, found {value!r} '
            f'({type(value).__name__})'
        )


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
    """Raises unless ``value`` is a number in [0, 1e10].

    Gradients with larger factors overflow float32.

    Args:
        name: Name of the argument.
        value: What was given.

    Raises:
        TypeError: It is no real number.
        ValueError: It is negative, too large or NaN.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(
            f'`{name}` must be a number of at least 0, found {value!r} '
            f'({type(value).__name__})'
        )
    try:
        number = float(value)
    except OverflowError:  # an integer or a fraction beyond float64
        number = inf
    if not 0 <= number < inf:
        raise ValueError(
            f'`{name}` must be finite and at least 0, found {value}'
        )
    if number > LARGEST_WEIGHT:
        raise ValueError(
            f'`{name}` must be at most {LARGEST_WEIGHT:g}, found {value}: '
            'gradients would overflow float32'
        )


def check_mixture(**weights: float) -> None:
    """Raises unless two weights are in [0, 1000] and one is positive.

    Args:
        **weights: The two weights by the names of their arguments.

    Raises:
        TypeError: One is no real number.
        ValueError: One is negative, above 1000 or NaN, or both are 0.
    """
    for name, value in weights.items():
        check_weight(name, value)
        if value > 1000:
            raise ValueError(
                f'`{name}` must be at most 1000, found {value}: only the '
                'ratio of '
                f'{" and ".join(f"`{key}`" for key in weights)} counts'
            )
    if not any(weights.values()):
        names = ' and '.join(f'`{name}`' for name in weights)
        raise ValueError(
            f'{names} are both 0, which leaves nothing: make one of them '
            'positive'
        )


def as_pair(
    name: str,
    value: float | Sequence[float],
    check: Callable[[str, float], None] = check_count,
) -> tuple:
    """Returns a number twice, and a pair of numbers as a tuple.

    Args:
        name: Name of the argument.
        value: One number or two.
        check: What each number has to pass. Defaults to :func:`check_count`.

    Raises:
        TypeError: A number has the wrong type.
        ValueError: There are not one or two, or one is out of range.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        value = (value, value)
    if len(value) != 2:
        raise ValueError(
            f'`{name}` must be one number or two, found {value!r}'
        )
    for number in value:
        check(name, number)
    return tuple(value)


def check_choice(name: str, value: object, choices: Sequence) -> None:
    """Raises unless ``value`` is one of ``choices``.

    Args:
        name: Name of the argument.
        value: What was given.
        choices: What may be given.

    Raises:
        ValueError: It is none of them.
    """
    if value not in choices:
        raise ValueError(
            f'`{name}` must be one of {tuple(choices)}, found {value!r}'
        )


def check_size_per_level(
    name: str, value: object, num_levels: int
) -> list[tuple[int, int] | None]:
    """Returns one (height, width) or None for each level.

    Args:
        name: Name of the argument.
        value: A pair of integers, None, or a sequence with one of these per
            level.
        num_levels: Number of levels.

    Raises:
        TypeError: It is none of these.
        ValueError: A number is below 1, or there is not one per level.
    """
    listed = isinstance(value, Sequence) and any(
        size is None or isinstance(size, list | tuple) for size in value
    )
    per_level = list(value) if listed else [value] * num_levels
    if len(per_level) != num_levels:
        raise ValueError(
            f'`{name}` has {len(per_level)} entries, but `num_levels` is '
            f'{num_levels}: give one (height, width) or None per level, or '
            'one for all'
        )
    return [
        None if size is None else _checked_size(name, size)
        for size in per_level
    ]


def _checked_size(name: str, size: object) -> tuple[int, int]:
    if (
        not isinstance(size, Sequence)
        or isinstance(size, str)
        or len(size) != 2
    ):
        raise TypeError(
            f'`{name}` must be (height, width), None, or a list with one of '
            f'these per level, found {size!r}'
        )
    return as_pair(name, size)
