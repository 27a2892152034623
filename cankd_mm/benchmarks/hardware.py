"""What a benchmark ran on, and how much memory is left there."""

import os
import platform
from pathlib import Path

import torch

from cankd_mm.compat import mmcv_ops

_CPU_INFO = Path('/proc/cpuinfo')
_MEM_INFO = Path('/proc/meminfo')
# The limit of a container and what it uses of it, control groups 2 and 1.
_LIMITS = (
    ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory.current'),
    (
        '/sys/fs/cgroup/memory/memory.limit_in_bytes',
        '/sys/fs/cgroup/memory/memory.usage_in_bytes',
    ),
)


def hardware(device: str = 'cpu') -> dict:
    """Names everything that figures depend on.

    Args:
        device: Where the benchmark runs.

    Returns:
        What goes into the head of a table, and into its file.
    """
    return dict(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, 'sched_getaffinity')
        else os.cpu_count(),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name(device) if on_gpu(device) else None,
        torch=torch.__version__,
        python=platform.python_version(),
        compiled_mmcv_ops=not mmcv_ops.needed(),
    )


def sentence(found: dict) -> str:
    """The hardware in one line."""
    operators = 'compiled' if found['compiled_mmcv_ops'] else 'not compiled'
    return (
        f'{found["gpu"] or "no GPU"}; {found["cpu"]}, {found["cores"]} '
        f'core(s), {found["threads"]} thread(s); torch {found["torch"]}, '
        f'Python {found["python"]}, operators of mmcv {operators}'
    )


def on_gpu(device: str) -> bool:
    """Whether a device is one of CUDA's."""
    return device.startswith('cuda')


def available_memory(device: str = 'cpu') -> float:
    """Bytes that can still be taken; infinite where that is not known."""
    if on_gpu(device):
        return torch.cuda.mem_get_info(device)[0]
    found = [float('inf')]
    if _MEM_INFO.is_file():
        found.append(1024 * int(_field(_MEM_INFO, 'MemAvailable').split()[0]))
    for limit, usage in map(lambda pair: map(Path, pair), _LIMITS):
        if limit.is_file() and limit.read_text().strip() != 'max':
            found.append(int(limit.read_text()) - int(usage.read_text()))
    return min(found)


def _cpu_model() -> str:
    if _CPU_INFO.is_file():
        return _field(_CPU_INFO, 'model name') or platform.machine()
    return platform.processor() or platform.machine()


def _field(path: Path, name: str) -> str:
    """The value of the first line ``name : value``, empty without one."""
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return line.partition(':')[2].strip()
    return ''
