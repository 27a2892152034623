"""Time, peak memory and operations of a loss, forward and backward.

Times are taken in turns, so that a busy machine slows every form alike. On a
CPU peak memory is what the resident set of a fresh process per form grows by;
it is read from /proc, so on Linux only. Operations are counted, not measured:
convolutions and matrix products, two for each multiplication and addition.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from cankd_mm.benchmarks.forms import Form, Shape
from cankd_mm.benchmarks.hardware import on_gpu
from cankd_mm.utils.live_tensors import LiveTensors

MIB = 2**20
# What other processes take from a shared machine is not in the CPU time of
# this one, which is that of all its threads.
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
_HALF = ('bfloat16', 'float16')


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        device: Where.
        dtype: Of the features. With half of the bits the losses run under
            autocast and keep their float32 weights, as in training.
        threads: CPU threads of torch.
        repeats: Rounds, of which the median is taken.
        seconds: After this time no further round begins.
        clock: Which of :data:`CLOCKS` is read.
    """

    device: str = 'cpu'
    dtype: str = 'float32'
    threads: int = 1
    repeats: int = 5
    seconds: float = 60.0
    clock: str = 'wall'


@dataclass
class Trial:
    """A form at a size, ready to run."""

    form: Form
    loss: nn.Module
    s: Tensor
    t: Tensor
    autocast: torch.dtype | None

    def forward(self) -> Tensor:
        """The value."""
        context = (
            nullcontext()
            if self.autocast is None
            else torch.autocast(self.s.device.type, self.autocast)
        )
        with context:
            return self.form.compute(self.loss, self.s, self.t)

    def clear(self) -> None:
        """Forgets the gradients."""
        self.loss.zero_grad()
        self.s.grad = None


def trial(
    form: Form,
    student: Shape,
    teacher: Shape,
    settings: Settings,
    device: str | None = None,
) -> Trial:
    """Builds a loss, with features that resemble each other."""
    dtype = getattr(torch, settings.dtype)
    half = settings.dtype in _HALF
    torch.manual_seed(0)
    with torch.device(device or settings.device):
        with _default_dtype(torch.float32 if half else dtype):
            loss = form.build(student, teacher)
        t = torch.randn(teacher, dtype=dtype)
        s = torch.randn(student, dtype=dtype)
        if student == teacher:
            s = s + t
    return Trial(form, loss, s.requires_grad_(), t, dtype if half else None)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Of parameters; ``Module.to`` does not work on tensors without data."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


# ------------------------------------------------------------------- time


def synchronise(device: str) -> None:
    """Waits for the device, so that a clock means something."""
    if on_gpu(device):
        torch.cuda.synchronize(device)


def timed(run: Trial, settings: Settings) -> tuple[float, float]:
    """Seconds of one forward and one backward."""
    clock = CLOCKS[settings.clock]
    run.clear()
    synchronise(settings.device)
    start = clock()
    value = run.forward()
    synchronise(settings.device)
    middle = clock()
    value.backward()
    synchronise(settings.device)
    return middle - start, clock() - middle


def in_turns(
    measure: Mapping[str, Callable[[], object]], repeats: int, seconds: float
) -> dict[str, list]:
    """What each function returns, round by round.

    Every other round goes backwards: what a function leaves behind in caches
    and in the heap is not always paid for, or used, by the same other one.

    Args:
        measure: Name to function.
        repeats: Rounds after the first one, which warms up.
        seconds: After this time no further round begins; one counts anyway.
    """
    results: dict[str, list] = {name: [] for name in measure}
    start = time.perf_counter()
    for repeat in range(repeats + 1):
        if repeat > 1 and time.perf_counter() - start > seconds:
            break
        turns = list(measure.items())
        for name, function in turns[::-1] if repeat % 2 else turns:
            result = function()
            if repeat:
                results[name].append(result)
    return results


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the rounds of ``theirs / ours``, each within a round."""
    return median(b / a for a, b in zip(ours, theirs, strict=True))


# ----------------------------------------------------------------- memory


def resident(field: str) -> int:
    """Bytes of this process's resident set: VmRSS now, VmHWM at most."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{field}:'):
            return 1024 * int(line.split()[1])
    raise OSError(f'{field} is not in /proc/self/status')


def peak_above(step: Callable[[], object], device: str) -> int:
    """Bytes a step needs at its peak, above what is held before.

    On a CPU it has to be the first large step of its process.
    """
    if on_gpu(device):
        synchronise(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        synchronise(device)
        return torch.cuda.max_memory_allocated(device) - before
    before = resident('VmRSS')
    step()
    return resident('VmHWM') - before


def in_own_process(measure: Callable[..., int], *args) -> int:
    """What a function returns in a process of its own.

    Nothing is left behind there by another form.

    Args:
        measure: Returns a peak; lives at a module's top.
        *args: Its arguments.

    Raises:
        RuntimeError: The process failed.
    """
    # Freed blocks go back at once: what is counted is what a step holds, not
    # what glibc keeps of it. Read when a process starts.
    os.environ.setdefault('MALLOC_MMAP_THRESHOLD_', '65536')
    context = get_context('forkserver')
    context.set_forkserver_preload([__name__])
    queue = context.SimpleQueue()
    child = context.Process(target=_put, args=(queue, measure, args))
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(
            'the process that measures peak memory ended with exit code '
            f'{child.exitcode}; -9 means that it ran out of memory'
        )
    return queue.get()


def _put(queue, measure: Callable[..., int], args: tuple) -> None:
    queue.put(measure(*args))


def peak_of_a_form(
    form: Form, student: Shape, teacher: Shape, settings: Settings
) -> int:
    """Bytes one step needs at its peak, above weights and features."""
    torch.set_num_threads(settings.threads)
    # Libraries load and threads start before the count begins. An optimiser
    # loads this one, which takes 25 MiB, and so does activation checkpointing.
    import_module('torch._dynamo')
    small = [
        (*shape[:2], *(min(side, 16) for side in shape[2:]))
        for shape in (student, teacher)
    ]
    timed(trial(form, *small, settings), settings)
    run = trial(form, student, teacher, settings)
    return peak_above(lambda: timed(run, settings), settings.device)


def measured_peak(
    form: Form, student: Shape, teacher: Shape, settings: Settings
) -> int:
    """The same, in a process of its own where memory is the process's."""
    if on_gpu(settings.device):
        return peak_of_a_form(form, student, teacher, settings)
    return in_own_process(peak_of_a_form, form, student, teacher, settings)


def computed_peak(
    form: Form, student: Shape, teacher: Shape, settings: Settings
) -> int:
    """Bytes that the tensors of one step hold at their peak, by shapes alone.

    Nothing is computed, and what kernels take for themselves is not in it.
    """
    # Of the real device, so that attention takes the kernel it would take.
    with FakeTensorMode():
        run = trial(form, student, teacher, settings)
        held = [run.s, run.t, *run.loss.parameters(), *run.loss.buffers()]
        with LiveTensors(held) as counted:
            run.forward().backward()
    return counted.peak


# -------------------------------------------------------------- operations


def gflop(form: Form, student: Shape, teacher: Shape) -> tuple[float, float]:
    """GFLOP of one forward and one backward; nothing is computed."""
    run = trial(form, student, teacher, Settings(), 'meta')
    with FlopCounterMode(display=False) as forward:
        value = run.forward()
    with FlopCounterMode(display=False) as backward:
        value.backward()
    return tuple(c.get_total_flops() / 1e9 for c in (forward, backward))
