"""Counts what a training holds, between two epochs."""

import gc
import json
import os
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import nn
from torch.nn.modules import module as global_hooks
from torch.nn.parameter import is_lazy


def resources() -> dict[str, int]:
    """Count what the process holds once garbage is collected.

    Returns:
        Resident memory in bytes, and numbers: hooks of all modules and
        tensors, open files, threads, and tensors with their bytes.
    """
    gc.collect()
    # Some proxies raise when they are asked for their class.
    objects = [o for o in gc.get_objects() if type(o) is not type(gc)]
    modules = [o for o in objects if issubclass(type(o), nn.Module)]
    tensors = [o for o in objects if issubclass(type(o), torch.Tensor)]
    holders = [vars(module) for module in modules] + [vars(global_hooks)]
    hooks = sum(
        len(value)
        for holder in holders
        for name, value in holder.items()
        if name.endswith('_hooks') and isinstance(value, dict)
    )
    hooks += sum(len(tensor._backward_hooks or ()) for tensor in tensors)
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return dict(
        memory=pages * os.sysconf('SC_PAGE_SIZE'),
        hooks=hooks,
        files=len(os.listdir('/proc/self/fd')),
        threads=len(os.listdir('/proc/self/task')),
        tensors=len(tensors),
        bytes=sum(
            tensor.untyped_storage().nbytes()
            for tensor in tensors
            if tensor.layout == torch.strided and not is_lazy(tensor)
        ),
    )


@HOOKS.register_module()
class ResourceHook(Hook):
    """Write :func:`resources` to ``resources.json`` of the work dir.

    Args:
        interval: Epochs between two samples.
    """

    # After every other hook.
    priority = 'LOWEST'

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.samples = []

    def before_train_epoch(self, runner) -> None:
        """Count after the last epoch's validation and checkpoint."""
        # All objects are looked through, which takes a second.
        if runner.epoch and runner.epoch % self.interval == 0:
            self.samples.append(dict(iteration=runner.iter, **resources()))

    def after_train(self, runner) -> None:
        """Write what was counted."""
        path = Path(runner.work_dir, 'resources.json')
        path.write_text(json.dumps(self.samples))
