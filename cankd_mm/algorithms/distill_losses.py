"""Computes distill losses, and names what does not fit."""

from collections.abc import Collection, Iterator
from inspect import Parameter, signature
from typing import Any

import torch
from mmengine.utils import is_seq_of
from mmrazor.models.distillers import ConfigurableDistiller
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

# Raised when memory is short; the features are not to blame.
_OUT_OF_MEMORY = torch.cuda.OutOfMemoryError


def compute_loss(
    distiller: ConfigurableDistiller,
    name: str,
    when: str,
    without: Collection[str] = (),
) -> Tensor:
    """Compute one distill loss from what is recorded.

    Losses of this package take any layout and number format, and compute in
    float32. Others get contiguous features in float32.

    Args:
        distiller: Its recorders are filled.
        name: Name of the loss.
        when: 'in a dry forward' or 'in training', for the message.
        without: Arguments that are left out, for which there is no record.

    Raises:
        ValueError: A record is missing, or a connector or the loss failed.
            The message names the loss, the module path and the shape of every
            feature.
    """
    for argument, record in distiller.loss_forward_mappings[name].items():
        if argument not in without:
            _require_record(distiller, f'{name}.{argument}', record, when)
    loss = distiller.distill_losses[name]
    is_own = type(loss).__module__.partition('.')[0] == 'cankd_mm'
    values: dict[str, Any] = {}
    try:
        for argument, record in distiller.loss_forward_mappings[name].items():
            if argument in without:
                continue
            value = distiller.get_record(**record)
            if not is_own:
                value = tree_map_only(Tensor, _plain, value)
            values[argument] = value
        return loss(**values)
    except _OUT_OF_MEMORY:
        raise
    except Exception as error:
        features = '\n'.join(
            f'  {line}' for line in _described(distiller, name, values)
        )
        raise ValueError(
            f'model.distiller.distill_losses.{name} does not fit its features '
            f'{when}:\n{features}\n{type(error).__name__}: {error}\n'
            f'{_remedy(distiller, name, values)}'
        ) from error


def raw_record(distiller: ConfigurableDistiller, record: dict) -> Any:
    """Return what a recorder holds for a loss, before any connector.

    Args:
        distiller: Its recorders are filled.
        record: An argument's entry in ``loss_forward_mappings``.

    Raises:
        ValueError: The record has no level ``data_idx``, or no levels.
    """
    plain = {k: v for k, v in record.items() if not k.startswith('connector')}
    try:
        return distiller.get_record(**plain)
    except (AssertionError, TypeError) as error:
        role = 'student' if record['from_student'] else 'teacher'
        recorders = getattr(distiller, f'{role}_recorders')
        recorder = recorders.get_recorder(record['recorder'])
        found = [shapes(value) for value in recorder.data_buffer]
        raise ValueError(
            f'model.distiller.{role}_recorders.{record["recorder"]}.source='
            f'{recorder.source!r} returns {", ".join(found)}: {error} Set '
            'data_idx in loss_forward_mappings to the index of a level that '
            'is there, or leave it out for a single tensor'
        ) from error


def optional_arguments(loss: nn.Module) -> set[str]:
    """Names of a loss's arguments that have a default."""
    parameters = signature(loss.forward).parameters
    return {
        name
        for name, parameter in parameters.items()
        if parameter.default is not Parameter.empty
    }


def shapes(value: Any) -> str:
    """Shapes of a tensor or a sequence of tensors, for a message."""
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if is_seq_of(value, Tensor):
        return '[' + ', '.join(str(tuple(v.shape)) for v in value) + ']'
    return type(value).__name__


def _plain(tensor: Tensor) -> Tensor:
    """The tensor as MMRazor's losses need it."""
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    return tensor.contiguous()


def _require_record(
    distiller: ConfigurableDistiller, argument: str, record: dict, when: str
) -> None:
    """Raise if a recorder lacks the record that a loss uses.

    Raises:
        ValueError: It names the recorder, its source and the counts.
    """
    role = 'student' if record['from_student'] else 'teacher'
    recorders = getattr(distiller, f'{role}_recorders')
    recorder = recorders.get_recorder(record['recorder'])
    index, count = record.get('record_idx', 0), len(recorder.data_buffer)
    if not -count <= index < count:
        raise ValueError(
            f'model.distiller.{role}_recorders.{record["recorder"]}.source='
            f'{recorder.source!r} has {count} records {when}, and '
            f'loss_forward_mappings.{argument} uses record_idx={index}. '
            f'Record a module that the {role} calls so often, or choose a '
            'record_idx below the count'
        )


def _described(
    distiller: ConfigurableDistiller, name: str, values: dict[str, Any]
) -> Iterator[str]:
    """Yield a line for each feature that a loss was to get."""
    for argument, record in distiller.loss_forward_mappings[name].items():
        role = 'student' if record['from_student'] else 'teacher'
        recorders = getattr(distiller, f'{role}_recorders')
        recorder = recorders.get_recorder(record['recorder'])
        count = len(recorder.data_buffer)
        if not -count <= record.get('record_idx', 0) < count:
            continue
        index = record.get('data_idx')
        level = '' if index is None else f'[{index}]'
        value = recorder.get_record_data(record.get('record_idx', 0))
        # A level that is not there is what the error is about.
        if isinstance(value, list | tuple) and index in range(len(value)):
            value = value[index]
        line = f'{argument}: {role} {recorder.source!r}{level} {shapes(value)}'
        if record.get('connector') and argument in values:
            line += (
                f', connected by {record["connector"]!r} to '
                f'{shapes(values[argument])}'
            )
        yield line


def is_of_regions(distiller: ConfigurableDistiller, name: str) -> bool:
    """Whether a loss compares features after RoI pooling.

    A delivery may hand the teacher's proposals to the student.
    """
    if distiller.deliveries.deliveries:
        return False
    sources = [
        getattr(
            distiller,
            f'{"student" if r["from_student"] else "teacher"}_recorders',
        )
        .get_recorder(r['recorder'])
        .source
        for r in distiller.loss_forward_mappings[name].values()
    ]
    return any('roi_head' in source.split('.') for source in sources)


def _remedy(
    distiller: ConfigurableDistiller, name: str, values: dict[str, Any]
) -> str:
    tensors = [v for v in values.values() if isinstance(v, Tensor) and v.dim()]
    if is_of_regions(distiller, name):
        return (
            'After RoI pooling (roi_head) each network has the regions of its '
            'own proposals, in its own number and order: they cannot be '
            'compared. Record a module upstream of it, such as the neck'
        )
    for argument, record in distiller.loss_forward_mappings[name].items():
        if argument not in values and record.get('data_idx') is not None:
            return (
                f'Set loss_forward_mappings.{name}.{argument}.data_idx to an '
                'index of a level that is there'
            )
    if any(isinstance(v, list | tuple) for v in values.values()):
        return (
            'A record is a sequence of levels. Set data_idx in '
            f'loss_forward_mappings.{name} for a loss that takes one level; '
            'levels that are compared must have one shape (connectors: '
            "'ProjectionConnector' for channels, 'ResizeConnector' for height "
            'and width)'
        )
    if len({tensor.shape[0] for tensor in tensors}) > 1:
        return (
            'The features are not of the same images: their first dimensions '
            'differ. Record modules that return one feature for each image'
        )
    return (
        'Choose other modules or levels, or bring the features to one shape '
        "with a connector ('ProjectionConnector' for channels, "
        "'ResizeConnector' for height and width)"
    )
