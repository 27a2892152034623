"""Feature levels: how losses and connectors take, check and cast them.

A recorder hands over one tensor or a tuple of pyramid levels. The losses take
either, so that a config names one recorder and one loss.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def as_levels(
    feature: Tensor | Sequence[Tensor], num_levels: int | None, name: str
) -> tuple[Tensor, ...]:
    """Returns the first ``num_levels`` levels of a feature.

    Args:
        feature: One level, or a sequence of levels.
        num_levels: How many levels are wanted, None for all.
        name: What the caller's user calls the feature, for error messages.

    Returns:
        The levels, each a tensor.

    Raises:
        ValueError: There are too few levels.
        TypeError: A level is not a tensor.
    """
    levels = (feature,) if isinstance(feature, Tensor) else feature
    if not isinstance(levels, Sequence) or isinstance(levels, str):
        raise TypeError(
            f'`{name}` must be a tensor or a sequence of tensors, found '
            f'{type(feature).__name__}'
        )
    if num_levels is not None and len(levels) < num_levels:
        raise ValueError(
            f'`{name}` has {len(levels)} level(s), but `num_levels` is '
            f'{num_levels}: lower `num_levels`, or record a module that '
            'returns more levels'
        )
    levels = tuple(levels[:num_levels])
    for index, level in enumerate(levels):
        if not isinstance(level, Tensor):
            raise TypeError(
                f'`{name}[{index}]` must be a tensor, found '
                f'{type(level).__name__}: record a module whose output is one '
                'tensor or a flat tuple of tensors'
            )
    return levels


def map_levels(
    function: Callable[..., Tensor],
    feature: Tensor | Sequence[Tensor],
    *per_level: Sequence,
) -> Tensor | tuple[Tensor, ...]:
    """Applies a function to one level, or to each of several.

    Args:
        function: What is applied to a level.
        feature: The level, or levels.
        *per_level: Sequences of further arguments, one for each level. As
            many levels are mapped; all where there are none.

    Returns:
        One tensor for one tensor, a tuple for a sequence.

    Raises:
        ValueError: There are too few levels.
        TypeError: A level is not a tensor.
    """
    number = len(per_level[0]) if per_level else None
    levels = as_levels(feature, number, 'feature')
    mapped = tuple(map(function, levels, *per_level))
    return mapped[0] if isinstance(feature, Tensor) else mapped


def check_pair(
    s: Tensor,
    t: Tensor,
    student_channels: int,
    teacher_channels: int,
    index: int = 0,
    same_grid: bool = True,
) -> None:
    """Raises unless a level of the student fits that of the teacher.

    Args:
        s: The student's level.
        t: The teacher's level.
        student_channels: Channels the student's level must have.
        teacher_channels: Channels the teacher's level must have.
        index: Index of the level, for error messages. Defaults to 0.
        same_grid: Whether height and width must be equal. Defaults to True.

    Raises:
        ValueError: They do not fit; the message names both shapes.
    """
    found = (
        f'level {index}: `s_feature` has shape {tuple(s.shape)} and '
        f'`t_feature` has shape {tuple(t.shape)}'
    )
    if s.dim() != 4 or t.dim() != 4:
        raise ValueError(
            f'{found}; both must be (B, C, H, W): bring tokens or vectors to '
            'a map with a connector'
        )
    if s.size(0) != t.size(0):
        raise ValueError(f'{found}; both must hold the same images')
    if s.size(1) != student_channels or t.size(1) != teacher_channels:
        raise ValueError(
            f'{found}; the config of the loss says {student_channels} and '
            f'{teacher_channels} channels: correct it, or bring a feature to '
            'that number with a `ProjectionConnector`'
        )
    if same_grid and s.shape[2:] != t.shape[2:]:
        raise ValueError(
            f'{found}; height and width must be equal: record levels of the '
            'same stride, or resize one with a `ResizeConnector`'
        )


def full_type(*features: Tensor) -> torch.dtype:
    """Type to compute in: float64 if a feature has it, else float32."""
    dtype = torch.float32
    for feature in features:
        dtype = torch.promote_types(dtype, feature.dtype)
    return dtype


def full_precision(*features: Tensor) -> tuple[Tensor, ...]:
    """Brings tensors to one type of at least float32.

    Args:
        *features: Tensors of any floating point type.

    Returns:
        The same tensors in float64 if one of them is, else in float32.
    """
    dtype = full_type(*features)
    return tuple(feature.to(dtype) for feature in features)


def parameters_type(parameter: Tensor, *features: Tensor) -> torch.dtype:
    """Type in which a loss with parameters computes: theirs.

    Args:
        parameter: Any parameter of the loss.
        *features: What the loss is given.

    Raises:
        TypeError: The features need a wider type, or the parameters are of
            half precision.
    """
    dtype = full_type(parameter, *features)
    if parameter.dtype != dtype:
        types = ', '.join(str(feature.dtype) for feature in features)
        raise TypeError(
            f'the parameters of the loss are {parameter.dtype}, its features '
            f'are {types}: together they are computed in {dtype}; bring the '
            f'loss to it with `loss.to({dtype})`'
        )
    return dtype


def no_autocast(feature: Tensor) -> AbstractContextManager:
    """Returns a context without autocast on the feature's device."""
    device = feature.device.type
    if device == 'meta':  # shapes without values; autocast refuses it
        return nullcontext()
    return torch.autocast(device, enabled=False)
