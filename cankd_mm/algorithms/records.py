"""Records what modules of a model return, for one forward at a time."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from mmrazor.models.task_modules import RecorderManager
from mmrazor.models.task_modules.recorder import (
    ModuleInputsRecorder,
    ModuleOutputsRecorder,
    ParameterRecorder,
)
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from cankd_mm.algorithms.nested_tensors import tensors_in


def guard_compiled_hooks() -> None:
    """Let code that is compiled look whether a module is recorded.

    ``torch.compile`` takes it that hooks never change, and would run a step
    without the recorders again in the place of one with them.
    """
    # Building an optimizer has imported it already.
    import torch._dynamo

    torch._dynamo.config.skip_nnmodule_hook_guards = False


class Records:
    """What the recorders of one model hold, unchanged by the model.

    Recorders are attached to the modules that bear their names when a forward
    starts, and detached when it ends. So they follow modules that a runner
    replaces (SyncBN by BatchNorm) and copies of the model, and a model that
    is not recorded has no hooks.

    A record is what the module returned, whatever the model does to it
    afterwards: ``out += identity`` after a recorded norm, or an activation
    that works in place. The version counters of the tensors show which
    records are changed. Those are copied; the dry run finds out which, and
    before it has, all are.

    Args:
        recorders: A distiller's recorders of the model.
        role: 'student' or 'teacher', for messages.
    """

    def __init__(self, recorders: RecorderManager, role: str) -> None:
        self.recorders = recorders
        self.role = role
        # None for all.
        self._copied: frozenset[str] | None = None
        self._versions: dict[str, list[tuple[Tensor, int]]] = {}

    @contextmanager
    def of(self, model: nn.Module) -> Iterator[None]:
        """Record the forward of a model that runs in this context."""
        self._versions = {}
        with ExitStack() as stack:
            for name, recorder in self.recorders.recorders.items():
                self._attach(name, recorder, model, stack)
            stack.enter_context(self.recorders)
            yield

    def count(self, name: str) -> int:
        """How often a recorder has recorded in this forward."""
        return len(self.recorders.get_recorder(name).data_buffer)

    def has(self, name: str, count: int = 1) -> bool:
        """Whether a recorder holds at least so many records."""
        recorder = self.recorders.get_recorder(name)
        return (
            isinstance(recorder, ParameterRecorder)
            or len(recorder.data_buffer) >= count
        )

    def source(self, name: str) -> str:
        """The module, parameter or function that a recorder names."""
        return self.recorders.get_recorder(name).source

    def recorded_modules(self, model: nn.Module) -> dict[str, nn.Module]:
        """The module of each recorder that is attached to one, by name."""
        return {
            name: model.get_submodule(recorder.source)
            for name, recorder in self.recorders.recorders.items()
            if isinstance(recorder, ModuleOutputsRecorder)
        }

    def surrounding_modules(self, model: nn.Module) -> set[nn.Module]:
        """The modules that recorders name, and all modules around them."""
        sources = [f'{r.source}.' for r in self.recorders.recorders.values()]
        return {
            module
            for name, module in model.named_modules()
            if any(source.startswith(f'{name}.') for source in sources)
        }

    def tensors(self) -> list[Tensor]:
        """Every tensor that is recorded."""
        buffers = [r.data_buffer for r in self.recorders.recorders.values()]
        return list(tensors_in(buffers))

    def convert(self, function) -> None:
        """Replace every recorded tensor, parameters excepted."""
        for recorder in self.recorders.recorders.values():
            if not isinstance(recorder, ParameterRecorder):
                recorder.data_buffer[:] = tree_map_only(
                    Tensor, function, recorder.data_buffer
                )

    def changed(self) -> set[str]:
        """Names of recorders whose records the model has changed since."""
        return {
            name
            for name, versions in self._versions.items()
            if any(tensor._version != seen for tensor, seen in versions)
        }

    def copy_only(self, names: Collection[str]) -> None:
        """Copy only the records of these recorders from now on."""
        self._copied = frozenset(names)

    def require_unchanged(self, name: str) -> None:
        """Raise if a record that is not copied was changed in place.

        Raises:
            RuntimeError: It names the recorder and its module.
        """
        if self._copied is not None and name in self.changed():
            raise RuntimeError(
                f'model.distiller.{self.role}_recorders.{name}.source='
                f'{self.source(name)!r}: the {self.role} has changed this '
                'record in place after the module returned it, and did not '
                'in the dry run. Set model.dry_run_size to a size at which '
                'the model runs the same layers, or to None: then every '
                'record is copied'
            )

    def drop(self, name: str) -> None:
        """Free a recorder's tensors; their number stays."""
        recorder = self.recorders.get_recorder(name)
        if not isinstance(recorder, ParameterRecorder):
            # Emptied in place: recorders of functions hold the list.
            recorder.data_buffer[:] = [None] * len(recorder.data_buffer)
        self._versions.pop(name, None)

    def forget(self) -> None:
        """Free all; without records a model can be copied."""
        for recorder in self.recorders.recorders.values():
            recorder.reset_data_buffer()
        self._versions = {}

    def _attach(
        self, name: str, recorder: Any, model: nn.Module, stack: ExitStack
    ) -> None:
        if not isinstance(recorder, ModuleOutputsRecorder):
            if isinstance(recorder, ParameterRecorder):
                recorder.data_buffer.clear()
            recorder.initialize(model)
            return
        # MMRazor would attach it for good.
        recorder._initialized = True
        module = model.get_submodule(recorder.source)
        record = partial(self._record, name, recorder)
        # Before any hook that replaces what the module takes or returns.
        if isinstance(recorder, ModuleInputsRecorder):
            handle = module.register_forward_pre_hook(record, prepend=True)
        else:
            handle = module.register_forward_hook(record, prepend=True)
        stack.callback(handle.remove)

    def _record(
        self, name: str, recorder: ModuleOutputsRecorder, module, inputs, *out
    ) -> None:
        recorder.forward_hook(module, inputs, *(out or (None,)))
        value = recorder.data_buffer[-1]
        is_copied = self._copied is None or name in self._copied
        if is_copied:
            recorder.data_buffer[-1] = tree_map_only(
                Tensor, torch.clone, value
            )
        if not is_copied or self._copied is None:
            self._versions.setdefault(name, []).extend(
                (tensor, tensor._version)
                for tensor in tensors_in(value)
                if not tensor.is_inference()
            )
