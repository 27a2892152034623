"""Activations work in place, unless that would overwrite a record."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from cankd_mm.algorithms.recorded_forward import tensors_in


class InPlaceActivations:
    """Switches a model's in-place activations off, then the harmless ones on.

    An in-place activation after a recorded module overwrites the record.
    Which do is seen in a forward with all of them off: an activation is
    harmless if it was called and none of its inputs shares memory with a
    record. MMRazor switches every one off, at the cost of a copy each.

    Args:
        model: The model; all its in-place activations are off from here on.
    """

    def __init__(self, model: nn.Module) -> None:
        self.modules = [
            module
            for module in model.modules()
            if getattr(module, 'inplace', False)
        ]
        for module in self.modules:
            module.inplace = False
        self._inputs: dict[nn.Module, list] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Remembers what the activations are given in a forward."""
        self._inputs = {}
        handles = [
            module.register_forward_pre_hook(self._remember)
            for module in self.modules
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def allow_harmless(self, records: Iterable[torch.Tensor]) -> None:
        """Switches on what the watched forward has shown to be harmless.

        Args:
            records: What was recorded in that forward.
        """
        recorded = _storages(records)
        for module, inputs in self._inputs.items():
            module.inplace = recorded.isdisjoint(_storages(tensors_in(inputs)))
        self._inputs = {}

    def _remember(self, module: nn.Module, inputs: tuple) -> None:
        # The tensors themselves: freed memory would serve another one.
        self._inputs.setdefault(module, []).append(inputs)


def _storages(tensors: Iterable[torch.Tensor]) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}
