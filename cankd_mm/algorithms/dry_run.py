"""Tries recorders, connectors and losses once, before training starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from mmengine.utils import is_seq_of
from torch import nn

from cankd_mm.algorithms.finite_records import raw_record
from cankd_mm.algorithms.recorded_forward import RecordedForward
from cankd_mm.utils.random_state import preserved_random_state


def dry_input(
    student: nn.Module, size: tuple[int, int], device: torch.device
) -> tuple[torch.Tensor, list[BaseDataElement]]:
    """One random image and its meta information.

    Args:
        student: Its data preprocessor or its first convolution tells the
            number of input channels.
        size: Height and width in pixels.
        device: Where the image goes.
    """
    channels = _input_channels(student)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, channels, *size, generator=generator).to(device)
    shape = tuple(size)
    meta = dict(
        img_shape=shape,
        ori_shape=shape,
        pad_shape=shape,
        batch_input_shape=shape,
        scale_factor=(1.0, 1.0),
        img_id=0,
        img_path='',
    )
    return image, [BaseDataElement(metainfo=meta)]


def _input_channels(student: nn.Module) -> int:
    mean = getattr(student.data_preprocessor, 'mean', None)
    if mean is not None:
        return mean.numel()
    for module in student.modules():
        # More than four: a stem that folds pixels into channels, as YOLOX's.
        if isinstance(module, nn.Conv2d) and module.in_channels <= 4:
            return module.in_channels
    return 3


@contextmanager
def without_traces(*modules: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards all is as before.

    Statistics, training modes and random state are those that were found.
    """
    modes = {m: m.training for module in modules for m in module.modules()}
    try:
        for module in modules:
            module.eval()
        with preserved_random_state(), torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


class TeacherFault(ValueError):
    """The teacher fails, or is not finite, in the dry run."""


@contextmanager
def named_failure(role: str, size: tuple[int, int]) -> Iterator[None]:
    """Name the model that failed, the image, and how to go on.

    Raises:
        TeacherFault: In place of whatever the teacher raised.
        ValueError: In place of whatever the student raised.
    """
    try:
        yield
    except Exception as error:
        kind = TeacherFault if role == 'teacher' else ValueError
        raise kind(
            f'the {role} failed on a random image of {size[0]}x{size[1]} '
            f'pixels (model.dry_run_size): {error}\nSet '
            'model.dry_run_size=(height, width) to a size that both models '
            'take, or None to leave this check out'
        ) from error


def check_teacher(forward: RecordedForward) -> None:
    """Raises if the teacher's forward left a recorder without a record.

    Raises:
        ValueError: It names the recorder and its module.
    """
    for name in forward.unserved():
        recorder = forward.recorders.get_recorder(name)
        raise ValueError(
            f'model.distiller.teacher_recorders.{name}.source='
            f'{recorder.source!r} is recorded {len(recorder.data_buffer)} '
            f"times in one forward of the teacher (mode 'tensor'), but "
            f'{forward.needed[name]} records are used. Either the module is '
            'never called (a ModuleList is not; name a module inside it), or '
            'it runs in training only, where a frozen teacher is never'
        )


def check_student(forward: RecordedForward) -> list[str]:
    """Names the student's recorders that a dry forward does not serve.

    Modules that only the loss runs (auxiliary heads) cannot be tried without
    labels, so these are no errors.

    Raises:
        ValueError: A recorder's module can never be called.
    """
    modules = dict(forward.model.named_modules())
    unserved = forward.unserved()
    for name in unserved:
        source = forward.recorders.get_recorder(name).source
        module = modules.get(source)
        if isinstance(module, nn.ModuleList | nn.ModuleDict):
            raise ValueError(
                f'model.distiller.student_recorders.{name}.source='
                f'{source!r} is a {type(module).__name__}, which is never '
                f'called itself. Name a module inside it: {source}.0'
            )
    return unserved


def check_losses(
    distiller: nn.Module, untried: list[str]
) -> dict[str, torch.Tensor]:
    """Computes every distill loss once from what is recorded.

    Args:
        distiller: A ``ConfigurableDistiller`` whose recorders are filled.
        untried: Recorders of the student without a record; the losses that
            need them are left out. An argument with a default (labels, for
            instance) is not needed.

    Returns:
        The losses by name.

    Raises:
        ValueError: A connector or a loss failed. The message names the loss,
            the module path and the shape of every feature it was given.
    """
    losses = {}
    for loss_name, arguments in distiller.loss_forward_mappings.items():
        loss = distiller.distill_losses[loss_name]
        missing = {
            argument
            for argument, record in arguments.items()
            if record['from_student'] and record['recorder'] in untried
        }
        if not missing <= _optional_arguments(loss):
            continue
        described, values = [], {}
        try:
            for argument, record in arguments.items():
                if argument in missing:
                    continue
                raw = raw_record(distiller, record)
                described.append(_describe(distiller, argument, record, raw))
                values[argument] = distiller.get_record(**record)
                if record.get('connector'):
                    described[-1] += (
                        f', connected by {record["connector"]!r} to '
                        f'{shapes(values[argument])}'
                    )
            losses[loss_name] = loss(**values)
        except Exception as error:
            features = '\n'.join(f'  {line}' for line in described)
            raise ValueError(
                f'model.distiller.distill_losses.{loss_name} does not fit '
                f'its features in a dry forward:\n{features}\n{error}\n'
                'Choose other modules or levels, or bring the features to '
                "one shape with a connector ('ProjectionConnector' for "
                "channels, 'ResizeConnector' for height and width)"
            ) from error
    return losses


def _optional_arguments(loss: nn.Module) -> set[str]:
    parameters = signature(loss.forward).parameters
    return {
        name
        for name, parameter in parameters.items()
        if parameter.default is not Parameter.empty
    }


def shapes(value: Any) -> str:
    """Shapes of a tensor or a sequence of tensors, for a message."""
    if isinstance(value, torch.Tensor):
        return str(tuple(value.shape))
    if is_seq_of(value, torch.Tensor):
        return '[' + ', '.join(str(tuple(v.shape)) for v in value) + ']'
    return type(value).__name__


def _describe(distiller, argument: str, record: dict, value: Any) -> str:
    role = 'student' if record['from_student'] else 'teacher'
    recorders = getattr(distiller, f'{role}_recorders')
    source = recorders.get_recorder(record['recorder']).source
    index = record.get('data_idx')
    level = '' if index is None else f'[{index}]'
    return f'{argument}: {role} {source!r}{level} {shapes(value)}'
