"""Tries recorders, connectors and losses once, before training starts."""

import copy
import difflib
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import torch
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from cankd_mm.algorithms.distill_losses import (
    compute_loss,
    is_of_regions,
    optional_arguments,
)
from cankd_mm.algorithms.recorded_forward import RecordedForward
from cankd_mm.utils.missing_operators import (
    MissingOperatorError,
    describe,
    missing_operators,
)
from cankd_mm.utils.random_state import preserved_random_state

_SEQUENCES = (list, deque)
_CONTAINERS = (*_SEQUENCES, dict, set)


def dry_input(
    student: nn.Module, size: tuple[int, int], device: torch.device
) -> tuple[Tensor, list[BaseDataElement]]:
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
    with student.plain():
        modules = list(student.modules())
    for module in modules:
        # More than four: a stem that folds pixels into channels, as YOLOX's.
        if isinstance(module, nn.Conv2d) and module.in_channels <= 4:
            return module.in_channels
    return 3


@contextmanager
def side_effect_free(
    student: nn.Module, results: Collection[str] = ()
) -> Iterator[None]:
    """No gradients; afterwards the distilled student is as before.

    Statistics, counters, training modes and random state are those that were
    found.

    Args:
        student: A distilled student.
        results: Names of its own attributes that keep what is set meanwhile.
    """
    restore = [
        _snapshot(module, results if module is student else ())
        for module in student.modules()
    ]
    try:
        with preserved_random_state(), torch.no_grad():
            yield
    finally:
        for function in restore:
            function()


def _snapshot(
    module: nn.Module, results: Collection[str]
) -> Callable[[], None]:
    """Return what gives a module its attributes and their values back."""
    kind, attributes = type(module), dict(vars(module))
    contents = {
        name: copy.copy(value)
        for name, value in attributes.items()
        if isinstance(value, _CONTAINERS)
    }
    tensors = [
        (tensor, tensor._version, tensor.clone())
        for tensor in (*module._buffers.values(), *attributes.values())
        if isinstance(tensor, Tensor)
    ]

    @torch.no_grad()
    def restore() -> None:
        if type(module) is not kind:
            return  # it was lazy, and knows its parameters now
        kept = {k: v for k, v in vars(module).items() if k in results}
        vars(module).clear()
        vars(module).update({**attributes, **kept})
        for name, content in contents.items():
            attributes[name].clear()
            fill = 'extend' if isinstance(content, _SEQUENCES) else 'update'
            getattr(attributes[name], fill)(content)
        for tensor, version, value in tensors:
            if tensor._version != version:
                tensor.copy_(value)

    return restore


def set_mode(student: nn.Module, training: bool) -> None:
    """Let the student return what it returns in training, or in evaluation.

    Only its norms use their statistics in both, so that one image is enough
    and no process waits for another one. The distiller is in evaluation mode.

    Args:
        student: A distilled student.
        training: Whether to set the training mode.
    """
    student.train(training)
    student.distiller.eval()
    for module in student.modules():
        if isinstance(module, _NormBase):
            module.eval()


def check_operators(student: nn.Module) -> None:
    """Raise if the student refers to operators of mmcv that are missing.

    Some are called in the loss or the prediction only, which no dry forward
    reaches.

    Raises:
        MissingOperatorError: It names the operators and their modules.
    """
    missing = missing_operators(student)
    if missing:
        raise MissingOperatorError(
            'mmcv was installed without operators that the student calls: '
            f'{describe(missing)}. Install an mmcv that was compiled with its '
            'operators. If training and prediction never reach them, set '
            'model.dry_run_size=None to leave this check out'
        )


class TeacherFault(ValueError):
    """The teacher fails, or is not finite, in the dry run."""


@contextmanager
def named_failure(role: str, size: tuple[int, int]) -> Iterator[None]:
    """Name the model that failed, the image, and how to go on.

    Raises:
        TeacherFault: In place of whatever the teacher raised.
        MissingOperatorError: The student called an operator that is missing.
        ValueError: In place of whatever else the student raised.
    """
    try:
        yield
    except MissingOperatorError as error:
        kind = MissingOperatorError if role == 'student' else TeacherFault
        raise kind(f'the {role} failed in its dry run: {error}') from error
    except Exception as error:
        fault = (
            f'the {role} failed on a random image of {size[0]}x{size[1]} '
            f'pixels (model.dry_run_size): {error}\nSet '
            'model.dry_run_size=(height, width) to a size that both models '
            'take'
        )
        if role == 'student':
            raise ValueError(
                f'{fault}, or None to leave this check out'
            ) from error
        raise TeacherFault(
            f'{fault}. If the teacher fails at every size, it fails in '
            "training as well, where it runs in mode 'tensor' without "
            'labels: let model.distiller.teacher_recorders name modules that '
            'it calls before the one that failed. It stops after the last of '
            'them'
        ) from error


def check_teacher(forward: RecordedForward) -> None:
    """Raises if the teacher's forward left a recorder without a record.

    Raises:
        ValueError: It names the recorder and its module.
    """
    records = forward.records
    for name in forward.pending():
        raise ValueError(
            f'model.distiller.teacher_recorders.{name}.source='
            f'{records.source(name)!r} is recorded {records.count(name)} '
            f"times in one forward of the teacher (mode 'tensor'), but "
            f'{forward.needed[name]} records are used. Either the module is '
            'never called (a ModuleList is not; name a module inside it), or '
            'it runs in training only, where a frozen teacher is never'
        )


def check_student(forward: RecordedForward, student: nn.Module) -> list[str]:
    """Names the student's recorders that a dry forward does not serve.

    Modules that only the loss runs (auxiliary heads) cannot be tried without
    labels, so these are no errors.

    Raises:
        ValueError: A recorder's module can never be called.
    """
    modules = dict(student.named_modules())
    pending = forward.pending()
    for name in pending:
        source = forward.records.source(name)
        module = modules.get(source)
        if isinstance(module, nn.ModuleList | nn.ModuleDict):
            raise ValueError(
                f'model.distiller.student_recorders.{name}.source='
                f'{source!r} is a {type(module).__name__}, which is never '
                f'called itself. Name a module inside it: {source}.0'
            )
    return pending


def check_losses(
    distiller: nn.Module, untried: Collection[str]
) -> dict[str, Tensor]:
    """Computes every distill loss once from what is recorded.

    Args:
        distiller: A ``ConfigurableDistiller`` whose recorders are filled.
        untried: Recorders of the student without a record; the losses that
            need them are left out. An argument with a default (labels, for
            instance) is not needed.

    Returns:
        The losses by name.

    Raises:
        ValueError: A connector or a loss failed.
    """
    losses = {}
    for name in distiller.loss_forward_mappings:
        loss = check_loss(distiller, name, untried)
        if loss is not None:
            losses[name] = loss
        if is_of_regions(distiller, name):
            print_log(
                regions_notice(name), logger='current', level=logging.WARNING
            )
    return losses


def regions_notice(name: str) -> str:
    """Describes why a loss on features after RoI pooling teaches nothing.

    Args:
        name: Name of the loss.
    """
    return (
        f'model.distiller.distill_losses.{name} compares features after RoI '
        'pooling (roi_head), where each network has the regions of its own '
        'proposals, in its own number and order. Record a module upstream of '
        'it, such as the neck'
    )


def check_loss(
    distiller: nn.Module, name: str, untried: Collection[str]
) -> Tensor | None:
    """Computes one distill loss as :func:`check_losses` does.

    Args:
        distiller: As for :func:`check_losses`.
        name: Name of the loss.
        untried: As for :func:`check_losses`.

    Returns:
        The loss; None where a record that it needs is untried.

    Raises:
        ValueError: A connector or the loss failed.
    """
    missing = {
        argument
        for argument, record in distiller.loss_forward_mappings[name].items()
        if record['from_student'] and record['recorder'] in untried
    }
    if not missing <= optional_arguments(distiller.distill_losses[name]):
        return None
    return compute_loss(distiller, name, 'in a dry forward', without=missing)


def source_faults(
    recorders: Mapping[str, Mapping] | None, model: nn.Module, role: str
) -> Iterator[str]:
    """Describes recorders whose module or parameter is not in the model.

    Args:
        recorders: Configs of the recorders by name.
        model: What they record.
        role: 'student' or 'teacher'.

    Yields:
        The recorder's config key, its source and the closest names.
    """
    for name, recorder in (recorders or {}).items():
        kind, source = str(recorder.get('type')), recorder.get('source')
        if 'Module' in kind:
            known = [n for n, _ in model.named_modules() if n]
        elif 'Parameter' in kind:
            known = [n for n, _ in model.named_parameters()]
        else:  # a function or method of the library, not of the model
            continue
        if source not in known:
            close = difflib.get_close_matches(str(source), known, 3, 0.0)
            yield (
                f'model.distiller.{role}_recorders.{name}.source={source!r} '
                f'is not in the {role} ({type(model).__name__}). The closest '
                f'names are {close}'
            )
