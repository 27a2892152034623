"""Finds records and losses of a dry run that are not finite."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from cankd_mm.algorithms.distill_losses import raw_record
from cankd_mm.algorithms.nested_tensors import tensors_in


def non_finite_records(
    distiller: nn.Module, role: str, untried: Collection[str] = ()
) -> list[str]:
    """Describe the records that a loss reads and that are not finite.

    Args:
        distiller: A ``ConfigurableDistiller`` whose recorders are filled.
        role: 'student' or 'teacher'.
        untried: Recorders without a record, which are left out.

    Returns:
        A line for each recorder: its config key and module, the counts and
        the losses that read it.
    """
    counts: dict[str, tuple[int, int, int]] = {}
    readers: dict[str, list[str]] = {}
    for loss, arguments in distiller.loss_forward_mappings.items():
        for record in arguments.values():
            name = record['recorder']
            from_student = role == 'student'
            if record['from_student'] != from_student or name in untried:
                continue
            found = _count(tensors_in(raw_record(distiller, record)))
            if found[0] or found[1]:
                counts[name] = max(found, counts.get(name, found))
                readers.setdefault(name, []).append(loss)
    recorders = getattr(distiller, f'{role}_recorders')
    return [
        f'model.distiller.{role}_recorders.{name}.source='
        f'{recorders.get_recorder(name).source!r}: {nans} NaN and '
        f'{infinities} infinite of {size} values in a dry forward of the '
        f'{role}, read by {", ".join(dict.fromkeys(readers[name]))}; expected '
        'finite features'
        for name, (nans, infinities, size) in counts.items()
    ]


def non_finite_losses(losses: Mapping[str, Tensor]) -> list[str]:
    """Describe the losses of a dry run that are not finite.

    Args:
        losses: Distill losses by name. Statistics, without 'loss' in their
            name, are left out.

    Returns:
        A line for each such loss: its config key and its value.
    """
    return [
        f'model.distiller.distill_losses.{name} is {value.mean().item()} in '
        'a dry forward, of finite features; expected a finite loss. Lower '
        'its weight, or record a module whose output is normalized'
        for name, value in losses.items()
        if 'loss' in name and not torch.isfinite(value).all()
    ]


def _count(tensors) -> tuple[int, int, int]:
    """Numbers that are NaN, that are infinite, and all."""
    nans = infinities = size = 0
    for tensor in tensors:
        nans += int(tensor.isnan().sum())
        infinities += int(tensor.isinf().sum())
        size += tensor.numel()
    return nans, infinities, size
