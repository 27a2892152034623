"""Feature levels: how losses and connectors take, check and cast them.

A recorder hands over one tensor or a tuple of pyramid levels. The losses take
either, so that a config names one recorder and one loss.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def as_levels(
    feature: Tensor | Sequence[Tensor], num_levels: int | None, name: str
) -> tuple[Tensor, ...]:
    """Returns the first ``num_levels`` levels of a feature.

    Args:
        feature: One level, or a sequence of levels.
        num_levels: How many levels are wanted, None for all.
        name: What the caller's user calls the feature, for error messages.

    Returns:
        The levels, each a tensor that passes :func:`check_feature`.

    Raises:
        ValueError: There are too few levels, or one does not pass.
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
    if not levels:
        raise ValueError(
            f'`{name}` has no levels, expected at least one: record a module '
            'that returns a tensor or a tuple of tensors'
        )
    levels = tuple(levels[:num_levels])
    for index, level in enumerate(levels):
        if not isinstance(level, Tensor):
            raise TypeError(
                f'`{name}[{index}]` must be a tensor, found '
                f'{type(level).__name__}: record a module whose output is one '
                'tensor or a flat tuple of tensors'
            )
        check_feature(level, name if level is feature else f'{name}[{index}]')
    return levels


def check_feature(feature: Tensor, name: str) -> None:
    """Raise unless a tensor holds values that a loss can compare.

    Args:
        feature: The tensor.
        name: What the caller's user calls it, for error messages.

    Raises:
        ValueError: It is not dense, or not of a floating point type.
    """
    if feature.layout is not torch.strided or feature.is_nested:
        raise ValueError(
            f'`{name}` is no dense tensor (its layout is {feature.layout}), '
            'expected one: convert it with `to_dense()`, or pad it'
        )
    found = f'`{name}` has shape {tuple(feature.shape)}'
    if feature.dtype not in FLOATS:
        raise ValueError(
            f'{found} and type {feature.dtype}, expected one of '
            f'{", ".join(map(str, FLOATS))}: record features or logits, not '
            'indices or masks'
        )


def check_not_empty(feature: Tensor, name: str) -> None:
    """Raise if a tensor has no elements: means of nothing are NaN.

    Args:
        feature: The tensor.
        name: What the caller's user calls it, for error messages.

    Raises:
        ValueError: A dimension has size 0.
    """
    if not feature.numel():
        raise ValueError(
            f'`{name}` has shape {tuple(feature.shape)}, which is empty; '
            'expected no dimension of size 0: leave batches without images '
            'out, and record maps with positions'
        )


def check_same_images(levels: Sequence[Tensor], name: str) -> None:
    """Raise unless all levels of a feature hold as many images.

    Args:
        levels: The levels, images first.
        name: What the caller's user calls the feature, for error messages.

    Raises:
        ValueError: They do not; the message names all shapes.
    """
    if any(level.size(0) != levels[0].size(0) for level in levels):
        shapes = ', '.join(str(tuple(level.shape)) for level in levels)
        raise ValueError(
            f'the levels of `{name}` have shapes {shapes}; all must hold the '
            'same images: record a module that returns the levels of one batch'
        )


def check_devices(**tensors: Sequence[Tensor]) -> None:
    """Raise unless all tensors are on one device.

    Args:
        **tensors: Tensors by what the caller's user calls them.

    Raises:
        ValueError: They are not; the message names the devices.
    """
    devices = [x.device for group in tensors.values() for x in group]
    if any(device != devices[0] for device in devices):
        found = ', '.join(
            f'`{name}` on {" and ".join({str(x.device): 0 for x in group})}'
            for name, group in tensors.items()
            if group
        )
        raise ValueError(
            f'expected all tensors on one device, found {found}: bring them '
            'to one with `to(device)`'
        )


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
    for name, level in (('s_feature', s), ('t_feature', t)):
        check_not_empty(level, f'{name}[{index}]')


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
