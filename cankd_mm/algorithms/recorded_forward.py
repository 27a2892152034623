"""Runs a model just as far as its recorders need."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from mmrazor.models.task_modules import RecorderManager
from mmrazor.models.task_modules.recorder import (
    ModuleOutputsRecorder,
    ParameterRecorder,
)
from torch import nn
from torch.utils._pytree import tree_map_only


class _EveryRecorderServed(BaseException):
    """Leaves a forward early.

    Not an ``Exception``, so that no ``except Exception`` inside a model can
    swallow it.
    """


class RecordedForward:
    """Calls a model in tensor mode and leaves it once all is recorded.

    What comes after the last recorded module (heads, losses, sampling,
    post-processing) is not run, whatever the architecture.

    Args:
        model: The model that the recorders are attached to.
        recorders: Recorders that are already initialised with ``model``.
        needed: How many records of each recorder are used. A recorder that
            is not named here is not waited for.
        whole: Always run the forward to its end.
    """

    def __init__(
        self,
        model: nn.Module,
        recorders: RecorderManager,
        needed: Mapping[str, int],
        whole: bool = False,
    ) -> None:
        self.model = model
        self.recorders = recorders
        self.needed = dict(needed)
        self.whole = whole

    def __call__(
        self,
        inputs: torch.Tensor,
        data_samples: list[BaseDataElement] | None = None,
    ) -> None:
        """Fills the recorders.

        Args:
            inputs: A batch as the data preprocessor returns it, (B, C, H, W).
            data_samples: Their meta information (image sizes) is handed on,
                their labels are not.
        """
        if not self.unserved() and not self.whole:
            return
        # Registered for this call only and so after the recorders' own.
        handles = [
            module.register_forward_hook(self._leave_when_served)
            for module in self._recorded_modules()
        ]
        try:
            self.model(inputs, without_labels(data_samples), mode='tensor')
        except _EveryRecorderServed:
            pass
        finally:
            for handle in handles:
                handle.remove()

    def unserved(self) -> list[str]:
        """Names of recorders that still lack a record."""
        return [
            name
            for name, count in self.needed.items()
            if not self._is_served(name, count)
        ]

    def _is_served(self, name: str, count: int) -> bool:
        recorder = self.recorders.get_recorder(name)
        return (
            isinstance(recorder, ParameterRecorder)
            or len(recorder.data_buffer) >= count
        )

    def _recorded_modules(self) -> list[nn.Module]:
        if self.whole:
            return []
        recorders = map(self.recorders.get_recorder, self.needed)
        return [
            self.model.get_submodule(recorder.source)
            for recorder in recorders
            if isinstance(recorder, ModuleOutputsRecorder)
        ]

    def _leave_when_served(self, module, inputs, outputs) -> None:
        if not self.unserved():
            raise _EveryRecorderServed


def follow_replaced_modules(
    recorders: RecorderManager, model: nn.Module, copied: Collection[str] = ()
) -> None:
    """Attaches recorders again whose modules were replaced since.

    A runner replaces batch norms after the model is built (SyncBN without
    distributed training, BatchNorm where the config sets ``sync_bn``), and a
    recorder stays at the old ones.

    Args:
        recorders: Recorders that are already initialised with ``model``.
        model: The model that they record.
        copied: Names of recorders that :func:`copy_records` was called for.
    """
    for name, recorder in recorders.recorders.items():
        if isinstance(recorder, ModuleOutputsRecorder):
            hooks = model.get_submodule(recorder.source)._forward_hooks
            owners = [
                getattr(hook, '__self__', None) for hook in hooks.values()
            ]
            if not any(owner is recorder for owner in owners):
                recorder.prepare_from_model(model)
                if name in copied:
                    copy_records(recorder, model)


def copy_records(recorder: ModuleOutputsRecorder, model: nn.Module) -> None:
    """Makes a recorder keep copies, which the model cannot change.

    Args:
        recorder: It is attached to its module already.
        model: The model that it records.
    """
    module = model.get_submodule(recorder.source)
    module.register_forward_hook(_RecordCopy(recorder))


class _RecordCopy:
    """A hook that ``copy.deepcopy`` of a model copies, unlike a closure."""

    def __init__(self, recorder: ModuleOutputsRecorder) -> None:
        self.recorder = recorder

    def __call__(self, *_) -> None:
        if self.recorder.recording:
            last = self.recorder.data_buffer.pop()
            self.recorder.data_buffer.append(
                tree_map_only(torch.Tensor, torch.clone, last)
            )


def recorded_modules(
    recorders: RecorderManager, model: nn.Module
) -> set[nn.Module]:
    """The modules that recorders name, and all modules around them."""
    sources = [f'{r.source}.' for r in recorders.recorders.values()]
    return {
        module
        for name, module in model.named_modules()
        if any(source.startswith(f'{name}.') for source in sources)
    }


def recorded_tensors(recorders: RecorderManager) -> list[torch.Tensor]:
    """Every tensor that the recorders hold."""
    return list(
        tensors_in([r.data_buffer for r in recorders.recorders.values()])
    )


def tensors_in(values: Any) -> Iterator[torch.Tensor]:
    """Yields the tensors of a nest of sequences and dicts."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from tensors_in(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)


def without_labels(
    data_samples: list[BaseDataElement] | None,
) -> list[BaseDataElement] | None:
    """Return copies with only the meta information."""
    if data_samples is None:
        return None
    return [type(sample)(metainfo=sample.metainfo) for sample in data_samples]


def records_needed(
    loss_forward_mappings: Mapping[str, Mapping[str, Mapping]],
    from_student: bool,
) -> dict[str, int]:
    """How many records of each recorder the losses use.

    Args:
        loss_forward_mappings: As in MMRazor's ``ConfigurableDistiller``.
        from_student: Count the student's recorders, or the teacher's.
    """
    needed: dict[str, int] = {}
    for arguments in loss_forward_mappings.values():
        for record in arguments.values():
            if record['from_student'] == from_student:
                count = record.get('record_idx', 0) + 1
                name = record['recorder']
                needed[name] = max(needed.get(name, 0), count)
    return needed
