"""Finds the local modules of a student and the losses that train them.

Nothing is guessed from names. One image runs through the student with
gradients, and autograd says which parameters a tensor depends on.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from mmengine.logging import print_log
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from cankd_mm.algorithms.distill_losses import compute_loss, raw_record
from cankd_mm.algorithms.nested_tensors import tensors_in
from cankd_mm.algorithms.recorded_forward import RecordedForward
from cankd_mm.algorithms.truncation import Truncation

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


@dataclass
class LocalModule:
    """What lies between two consecutive truncations.

    Everything is kept by name, so that a copy of the model finds its own.

    Attributes:
        truncation: Where it ends, for messages; '' for the last one, which
            ends with the task loss.
        parameters: The student's trainable parameters in it. Those of the
            last one are not listed.
        losses: Distill losses whose first module this is. One that reaches no
            module before a truncation belongs to the last.
        early_losses: Those of ``losses`` that reach nothing of the last
            module, so that they may be back-propagated before the task loss.
        trained: Parameters of student and distiller that ``early_losses``
            reach.
    """

    truncation: str = ''
    parameters: set[str] = field(default_factory=set)
    losses: list[str] = field(default_factory=list)
    early_losses: list[str] = field(default_factory=list)
    trained: set[str] = field(default_factory=set)


class TracedForward(RecordedForward):
    """Runs the student, and follows what its truncations cut.

    Args:
        *args: Those of :class:`RecordedForward`.
        truncations: The student's.
        **kwargs: Those of :class:`RecordedForward`.
    """

    def __init__(
        self, *args, truncations: Sequence[Truncation], **kwargs
    ) -> None:
        super().__init__(*args, **kwargs)
        self.truncations = truncations
        self.trace: list[tuple[Truncation, torch.Tensor]] = []

    def __call__(self, *args) -> None:
        """Fills recorders and trace, with the truncations at work."""
        self.trace.clear()
        for truncation in self.truncations:
            truncation.active, truncation.trace = True, self.trace
        try:
            super().__call__(*args)
        finally:
            for truncation in self.truncations:
                truncation.active, truncation.trace = False, None

    def passed(self) -> list[Truncation]:
        """Truncations in the order in which the forward met them."""
        return list(dict.fromkeys(truncation for truncation, _ in self.trace))


def find_local_modules(
    model: nn.Module, forward: TracedForward
) -> list[LocalModule]:
    """Follow the gradients of cuts and losses.

    Args:
        model: A distilled student with filled recorders; gradients are
            enabled.
        forward: What has filled the student's.

    Returns:
        The local modules from the image on; the last one has no truncation.

    Raises:
        ValueError: A truncation is never passed, or cuts off parameters
            without a distill loss of their own. The message names its key.
    """
    keys = _config_keys(forward)
    passed = forward.passed()
    for truncation, key in keys.items():
        if truncation not in passed:
            raise ValueError(
                f'{key} is never called in a forward of the student (mode '
                "'tensor'), so there is nothing to cut. Name a module that is"
            )
    with _fresh_gradients(model):
        modules = [
            LocalModule(keys[truncation], _reach(tensors, model))
            for truncation, tensors in _tensors_of(forward).items()
        ]
        modules.append(LocalModule())
        _assign_losses(model, modules, forward.pending())
    return modules


def _config_keys(forward: TracedForward) -> dict[Truncation, str]:
    return {
        truncation: f'model.truncations[{index}].{truncation}'
        for index, truncation in enumerate(forward.truncations)
    }


def _tensors_of(forward: TracedForward) -> dict[Truncation, list]:
    tensors: dict[Truncation, list] = {}
    for truncation, tensor in forward.trace:
        tensors.setdefault(truncation, []).append(tensor)
    return tensors


def _assign_losses(
    model: nn.Module, modules: list[LocalModule], untried: list[str]
) -> None:
    """Gives every loss its module.

    Raises:
        ValueError: A truncated module has none of its own.
    """
    *cut_modules, last = modules
    cut = set().union(*(m.parameters for m in cut_modules))
    norms = _norm_parameters(model)
    reached: set[str] = set()
    owners: set[int] = set()
    for name, arguments in model.distiller.loss_forward_mappings.items():
        records = [r for r in arguments.values() if r['from_student']]
        if any(record['recorder'] in untried for record in records):
            last.losses.append(name)  # of a module that only the loss runs
            continue
        loss = compute_loss(model.distiller, name, 'in a dry forward')
        trained = _reach([loss], model)
        ours = {p for p in trained if not p.startswith('distiller.')}
        reached |= ours
        home = next((m for m in cut_modules if m.parameters & ours), last)
        home.losses.append(name)
        if home is not last and ours <= cut:
            home.early_losses.append(name)
            home.trained |= trained
        footprints = [ours]
        if not any(ours - norms <= m.parameters for m in cut_modules):
            # One loss for several modules: each has a record of its own.
            footprints = [
                _reach([tensor], model)
                for record in records
                for tensor in tensors_in(raw_record(model.distiller, record))
            ]
        owners.update(
            index
            for index, module in enumerate(cut_modules)
            for footprint in footprints
            if footprint & module.parameters
            # A stage may norm its output, and not what it passes on (Swin).
            and footprint - norms <= module.parameters
        )
    for index, module in enumerate(cut_modules):
        _check_trained(module, index in owners, reached)


def _norm_parameters(model: nn.Module) -> set[str]:
    return {
        f'{name}.{key}'
        for name, module in model.named_modules()
        if isinstance(module, NORMS)
        for key, _ in module.named_parameters(recurse=False)
    }


def _check_trained(
    module: LocalModule, has_own_loss: bool, reached: set[str]
) -> None:
    names = sorted(module.parameters)
    if not names:
        print_log(
            f'{module.truncation} cuts off no trainable parameter: all before '
            'it is frozen, or cut off already.',
            logger='current',
            level=logging.WARNING,
        )
    elif not has_own_loss:
        raise ValueError(
            f'{module.truncation} cuts off {len(names)} trainable parameters '
            f'({_some(names)}), and no distill loss is computed from only '
            'them: this local module would learn nothing, or only from the '
            'task. Give it a loss (model.distiller.distill_losses, '
            'loss_forward_mappings and a recorder on the last module before '
            'the cut), or leave the truncation out'
        )
    elif not module.parameters <= reached:
        left = sorted(module.parameters - reached)
        print_log(
            f'{module.truncation} cuts off {len(left)} trainable parameters '
            f'that no distill loss reaches ({_some(left)}). Unless the task '
            'loss finds another way to them they never train. Move the '
            'recorder after them, or the truncation before them.',
            logger='current',
            level=logging.WARNING,
        )


def _reach(tensors: Iterable[torch.Tensor], model: nn.Module) -> set[str]:
    """Names of the model's parameters that get a gradient from tensors.

    By a backward and not by a walk along the graph, which ends at a
    checkpointed module.
    """
    tensors = [tensor for tensor in tensors if tensor.requires_grad]
    if not tensors:
        return set()
    parameters = dict(model.named_parameters())
    for parameter in parameters.values():
        parameter.grad = None
    torch.autograd.backward(
        tensors, [torch.ones_like(t) for t in tensors], retain_graph=True
    )
    return {name for name, p in parameters.items() if p.grad is not None}


@contextmanager
def _fresh_gradients(model: nn.Module) -> Iterator[None]:
    """Gives the parameters their gradients back on leaving."""
    found = {parameter: parameter.grad for parameter in model.parameters()}
    try:
        yield
    finally:
        for parameter, gradient in found.items():
            parameter.grad = gradient


def _some(names: list[str]) -> str:
    more = ', ...' if len(names) > 3 else ''
    return ', '.join(names[:3]) + more
