"""Time, peak memory and operations of several forms of one loss.

The benchmarks (``bm_*.py``) say what is compared; this says how. Times are
taken in turns, so that a busy machine slows every form alike. On a CPU peak
memory is what the resident set of a fresh process per form grows by; it is
read from /proc, so on Linux only. Operations are counted, not measured:
convolutions and matrix products, two for each multiplication and addition.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

MIB = 2**20


def call(loss: nn.Module, s: Tensor, t: Tensor) -> Tensor:
    """The loss as it is used."""
    return loss(s, t)


@dataclass(frozen=True)
class Form:
    """One way to compute a loss. Both functions live at a module's top.

    Attributes:
        build: Makes loss, student's and teacher's feature from the command
            line's arguments, a size (B, C, H, W) and a device.
        compute: The value from these three.
    """

    build: Callable[
        [argparse.Namespace, list[int], str], tuple[nn.Module, Tensor, Tensor]
    ]
    compute: Callable[[nn.Module, Tensor, Tensor], Tensor] = call


def add_arguments(
    parser: argparse.ArgumentParser, size: list[int], repeats: int
) -> None:
    """Adds what every comparison is asked for."""
    parser.add_argument(
        '--size',
        type=int,
        nargs=4,
        default=size,
        metavar=('B', 'C', 'H', 'W'),
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=repeats)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())


def gflop(form: Form, args: argparse.Namespace) -> tuple[float, float]:
    """GFLOP of one forward and one backward; nothing is computed."""
    loss, s, t = form.build(args, args.size, 'meta')
    with FlopCounterMode(display=False) as forward:
        value = form.compute(loss, s, t)
    with FlopCounterMode(display=False) as backward:
        value.backward()
    return tuple(c.get_total_flops() / 1e9 for c in (forward, backward))


def synchronise(device: str) -> None:
    """Waits for the device, so that a clock means something."""
    if device.startswith('cuda'):
        torch.cuda.synchronize(device)


def timed_step(
    form: Form, loss: nn.Module, s: Tensor, t: Tensor, device: str
) -> tuple[float, float]:
    """Seconds of one forward and one backward."""
    loss.zero_grad()
    s.grad = None
    synchronise(device)
    start = time.perf_counter()
    value = form.compute(loss, s, t)
    synchronise(device)
    middle = time.perf_counter()
    value.backward()
    synchronise(device)
    return middle - start, time.perf_counter() - middle


def student_gradient(form: Form, args: argparse.Namespace) -> Tensor:
    """What the form sends back to the student."""
    loss, s, t = form.build(args, args.size, args.device)
    form.compute(loss, s, t).backward()
    return s.grad


def relative_difference(
    first: Form, second: Form, args: argparse.Namespace
) -> float:
    """Largest difference of the student's gradients, relative to its peak."""
    a, b = (student_gradient(form, args) for form in (first, second))
    return ((a - b).abs().max() / a.abs().max()).item()


def times_in_turns(
    forms: Mapping[str, Form], args: argparse.Namespace
) -> dict[str, list[tuple[float, float]]]:
    """Forward and backward seconds of every repeat, forms in turns."""
    built = {
        name: form.build(args, args.size, args.device)
        for name, form in forms.items()
    }
    times = {name: [] for name in forms}
    for repeat in range(args.repeats + 1):
        for name, form in forms.items():
            seconds = timed_step(form, *built[name], args.device)
            if repeat:  # the first one warms up
                times[name].append(seconds)
    return times


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
    if device.startswith('cuda'):
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    before = resident('VmRSS')
    step()
    return resident('VmHWM') - before


def peak_of_a_form(form: Form, args: argparse.Namespace) -> int:
    """Bytes one step needs at its peak, above weights and features."""
    torch.set_num_threads(args.threads)
    # Libraries load and threads start before the count begins.
    batch, channels, height, width = args.size
    small = [batch, channels, min(height, 16), min(width, 16)]
    timed_step(form, *form.build(args, small, args.device), args.device)
    features = form.build(args, args.size, args.device)
    return peak_above(
        lambda: timed_step(form, *features, args.device), args.device
    )


def peak_memory(measure: Callable[..., int], *args) -> int:
    """What a function measures in a process of its own.

    Nothing is left behind there by another form.

    Args:
        measure: Returns a peak; lives at a module's top.
        *args: Its arguments.

    Raises:
        RuntimeError: The process failed.
    """
    context = get_context('spawn')
    queue = context.SimpleQueue()
    child = context.Process(target=_put, args=(queue, measure, args))
    # Freed blocks go back at once: what is counted is what a step holds, not
    # what glibc keeps of it.
    os.environ.setdefault('MALLOC_MMAP_THRESHOLD_', '65536')
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


def print_counts(
    forms: Mapping[str, Form], args: argparse.Namespace
) -> dict[str, float]:
    """Prints the operations of every form and returns their sums."""
    print(f'{"":16}{"forward GFLOP":>14}{"backward GFLOP":>16}')
    sums = {}
    for name, form in forms.items():
        forward, backward = gflop(form, args)
        sums[name] = forward + backward
        print(f'{name:16}{forward:14.2f}{backward:16.2f}')
    return sums


def print_measurements(
    forms: Mapping[str, Form], args: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float]]:
    """Prints time and peak memory of every form.

    Returns:
        Median milliseconds of forward and backward, and peak MiB.
    """
    torch.set_num_threads(args.threads)
    device = args.device
    if device.startswith('cuda'):
        device = torch.cuda.get_device_name(device)
    print(
        f'torch {torch.__version__}, {device}, {args.threads} CPU thread(s), '
        f'float32, medians of {args.repeats} (least to most)'
    )
    memory = {
        name: peak_memory(peak_of_a_form, form, args) / MIB
        for name, form in forms.items()
    }
    times = times_in_turns(forms, args)
    print(
        f'{"":16}{"forward ms":>12}{"backward ms":>13}'
        f'{"both ms":>32}{"peak MiB":>10}'
    )
    totals = {}
    for name, pairs in times.items():
        forward, backward = (
            1000 * statistics.median(part) for part in zip(*pairs, strict=True)
        )
        sums = [1000 * sum(pair) for pair in pairs]
        totals[name] = statistics.median(sums)
        both = f'{totals[name]:.1f} ({min(sums):.1f} to {max(sums):.1f})'
        print(
            f'{name:16}{forward:12.1f}{backward:13.1f}{both:>32}'
            f'{memory[name]:10.0f}'
        )
    return totals, memory
