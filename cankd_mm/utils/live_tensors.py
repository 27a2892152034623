"""Counts the memory that tensors hold, by their shapes."""

import weakref
from collections.abc import Iterable

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class LiveTensors(TorchDispatchMode):
    """Add up the storages that are made in a context and live.

    Args:
        held: Tensors whose storages do not count.

    Attributes:
        live: Bytes that live now.
        peak: The most that lived at once.
    """

    def __init__(self, held: Iterable[Tensor]) -> None:
        super().__init__()
        self.known = {x.untyped_storage()._cdata for x in held}
        self.live = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation, and note the tensors that it returns."""
        result = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._note, result)
        return result

    def _note(self, x: Tensor) -> None:
        storage = x.untyped_storage()
        if storage._cdata not in self.known:
            self.known.add(storage._cdata)
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(
                storage, self._free, storage._cdata, storage.nbytes()
            )

    def _free(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size
