"""What becomes of records while the rest of a model runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from mmrazor.models.task_modules import RecorderManager
from mmrazor.models.task_modules.recorder import ModuleOutputsRecorder
from torch import nn

from cankd_mm.algorithms.recorded_forward import (
    copy_records,
    recorded_tensors,
    tensors_in,
)


class WatchedRecords:
    """Find the records that the model changes after the recorded module.

    ``out += identity`` after a recorded norm changes the record as well, and
    not in every model alike: a teacher may be left before, where the student
    goes on. Such records are copied from then on.

    Args:
        recorders: Recorders that are already initialised with ``model``.
        model: The model that they record.
    """

    def __init__(self, recorders: RecorderManager, model: nn.Module) -> None:
        self._recorders = recorders
        self._model = model
        self._seen: list[tuple[str, torch.Tensor, int]] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Remembers every record of a forward as it is made."""
        handles = [
            self._model.get_submodule(recorder.source).register_forward_hook(
                partial(self._remember, name, recorder)
            )
            for name, recorder in self._recorders.recorders.items()
            if isinstance(recorder, ModuleOutputsRecorder)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def tensors(self) -> list[torch.Tensor]:
        """All records, also those that were converted since."""
        seen = [tensor for _, tensor, _ in self._seen]
        return seen + recorded_tensors(self._recorders)

    def copy_changed(self) -> set[str]:
        """Makes the recorders keep copies whose records were changed.

        Returns:
            Their names.
        """
        changed = {
            name
            for name, tensor, version in self._seen
            if tensor._version != version
        }
        for name in changed:
            copy_records(self._recorders.get_recorder(name), self._model)
        return changed

    def _remember(self, name: str, recorder, *_) -> None:
        self._seen += [
            (name, tensor, tensor._version)
            for tensor in tensors_in(recorder.data_buffer[-1:])
        ]
