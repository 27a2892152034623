"""Builds ``MMSyncBN`` where no process group was initialized.

What breaks: ``mmcv.ops.SyncBatchNorm`` asks for the size of the process group
when it is built. With one process, without a launcher, there is none:
``ValueError: Default process group has not been initialized``. ``nn``'s own
``SyncBatchNorm`` is an ordinary batch norm there.

Here: without a process group a layer is its own group of one process.

Upstream: MMDetection's ``get_flops.py`` works around it ("mmSyncBN requires a
distributed environment").
Probe: whether one can be built.
Applied when ``mmcv.ops.sync_bn`` has been imported.
Delete when mmcv builds the layer without a process group.
"""

import sys

from torch import distributed

_MODULE = 'mmcv.ops.sync_bn'


class _Distributed:
    """``torch.distributed``, where one process is a group of one."""

    def __getattr__(self, name: str):
        return getattr(distributed, name)

    @staticmethod
    def get_world_size(group=None) -> int:
        """Return the number of processes in a group."""
        if not distributed.is_available() or not distributed.is_initialized():
            return 1
        return distributed.get_world_size(group)


def needed() -> bool:
    """Whether building the layer requires a process group."""
    if distributed.is_available() and distributed.is_initialized():
        return not isinstance(sys.modules[_MODULE].dist, _Distributed)
    try:
        sys.modules[_MODULE].SyncBatchNorm(1)
    except (ValueError, RuntimeError):
        return True
    return False


def apply() -> None:
    """Let the module see a group of one where there is none."""
    sys.modules[_MODULE].dist = _Distributed()
