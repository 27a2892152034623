"""Time and memory of CanKDLoss beside the quadratic form as printed.

    python -m tests.bm_cankd --size 2 256 100 168
    python -m tests.bm_cankd --size 1 256 200 336 --count-only

Both forms run on the same weights and features. Times are taken in turns, so
that a busy machine slows both. On a CPU peak memory is what the resident set
of a fresh process per form grows by; it is read from /proc, so on Linux only.
Operations are counted, not measured: convolutions and matrix products, two
for each multiplication and addition.
"""

import argparse
import statistics
import time
from multiprocessing import get_context
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from cankd_mm.losses import CanKDLoss

MIB = 2**20


def printed_loss(
    loss: CanKDLoss, s: torch.Tensor, t: torch.Tensor
) -> torch.Tensor:
    """The formula as printed, with its M x K affinities."""
    block = loss.levels[0]
    query, key, value = block.theta(s), block.phi(t), block.g(t)
    if block.sub_sample:
        key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
    affinity = query.flatten(2).transpose(1, 2) @ key.flatten(2)
    affinity = affinity / affinity.size(-1)
    gathered = affinity @ value.flatten(2).transpose(1, 2)
    gathered = gathered.transpose(1, 2).reshape(query.shape)
    branch = block.out_proj(gathered)
    if block.use_norm:
        branch = block.out_norm(branch)
    z = branch + s
    return loss.loss_weight * F.mse_loss(
        F.instance_norm(z), F.instance_norm(t)
    )


FORMS = {
    'as printed': printed_loss,
    'CanKDLoss': lambda loss, s, t: loss(s, t),
}


def build(args: argparse.Namespace, size: list[int], device: str):
    """A loss past its zero start, a student's and a teacher's feature."""
    torch.manual_seed(0)
    with torch.device(device):
        loss = CanKDLoss(size[1], sub_sample=not args.no_sub_sample)
        torch.nn.init.ones_(loss.levels[0].out_norm.weight)
        teacher = torch.randn(size)
        student = (teacher + torch.randn(size)).requires_grad_()
    return loss, student, teacher


def count_gflop(form, args: argparse.Namespace) -> tuple[float, float]:
    """GFLOP of one forward and one backward; nothing is computed."""
    loss, s, t = build(args, args.size, 'meta')
    with FlopCounterMode(display=False) as forward:
        value = form(loss, s, t)
    with FlopCounterMode(display=False) as backward:
        value.backward()
    return tuple(c.get_total_flops() / 1e9 for c in (forward, backward))


def synchronise(device: str) -> None:
    """Waits for the device, so that a clock means something."""
    if device.startswith('cuda'):
        torch.cuda.synchronize(device)


def timed_step(form, loss, s, t, device: str) -> tuple[float, float]:
    """Seconds of one forward and one backward."""
    loss.zero_grad()
    s.grad = None
    synchronise(device)
    start = time.perf_counter()
    value = form(loss, s, t)
    synchronise(device)
    middle = time.perf_counter()
    value.backward()
    synchronise(device)
    return middle - start, time.perf_counter() - middle


def measure_times(args: argparse.Namespace) -> dict[str, list]:
    """Forward and backward seconds of every repeat, forms in turns."""
    loss, s, t = build(args, args.size, args.device)
    times = {name: [] for name in FORMS}
    for repeat in range(args.repeats + 1):
        for name, form in FORMS.items():
            seconds = timed_step(form, loss, s, t, args.device)
            if repeat:  # the first one warms up
                times[name].append(seconds)
    return times


def resident(field: str) -> int:
    """Bytes of this process's resident set: VmRSS now, VmHWM at most."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{field}:'):
            return 1024 * int(line.split()[1])
    raise OSError(f'{field} is not in /proc/self/status')


def cpu_peak(name: str, args: argparse.Namespace, queue) -> None:
    """Puts the growth of this process's resident set into the queue."""
    torch.set_num_threads(args.threads)
    # Libraries load and threads start before the count begins.
    timed_step(
        FORMS[name], *build(args, [1, args.size[1], 8, 8], 'cpu'), 'cpu'
    )
    features = build(args, args.size, 'cpu')
    before = resident('VmRSS')
    timed_step(FORMS[name], *features, 'cpu')
    queue.put(resident('VmHWM') - before)


def measure_memory(name: str, args: argparse.Namespace) -> int:
    """Bytes one step needs at its peak, above weights and features."""
    if args.device.startswith('cuda'):
        loss, s, t = build(args, args.size, args.device)
        timed_step(FORMS[name], loss, s, t, args.device)
        loss.zero_grad()
        s.grad = None
        before = torch.cuda.memory_allocated(args.device)
        torch.cuda.reset_peak_memory_stats(args.device)
        timed_step(FORMS[name], loss, s, t, args.device)
        return torch.cuda.max_memory_allocated(args.device) - before
    context = get_context('spawn')
    queue = context.SimpleQueue()
    child = context.Process(target=cpu_peak, args=(name, args, queue))
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(
            f'the process that measures {name!r} ended with exit code '
            f'{child.exitcode}; -9 means that it ran out of memory'
        )
    return queue.get()


def largest_difference(args: argparse.Namespace) -> float:
    """Largest difference of the student's gradients, relative to its peak."""
    loss, s, t = build(args, args.size, args.device)
    gradients = []
    for form in FORMS.values():
        timed_step(form, loss, s, t, args.device)
        gradients.append(s.grad)
    a, b = gradients
    return ((a - b).abs().max() / a.abs().max()).item()


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--size',
        type=int,
        nargs=4,
        default=[2, 256, 100, 168],
        metavar=('B', 'C', 'H', 'W'),
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument(
        '--no-sub-sample', action='store_true', help='no 2x2 pooling of keys'
    )
    parser.add_argument(
        '--count-only', action='store_true', help='count operations and stop'
    )
    return parser.parse_args()


def print_counts(args: argparse.Namespace) -> None:
    """Prints the operations of both forms and the size of the affinities."""
    batch, _, height, width = args.size
    stride = 1 if args.no_sub_sample else 2
    pairs = height * width * (height // stride) * (width // stride)
    print(
        f'size {tuple(args.size)}, {"no " if args.no_sub_sample else ""}'
        f'pooling; one affinity matrix as printed has '
        f'{4 * batch * pairs / MIB:.1f} MiB in float32'
    )
    print(f'{"":12}{"forward GFLOP":>14}{"backward GFLOP":>16}')
    counts = {name: count_gflop(form, args) for name, form in FORMS.items()}
    for name, (forward, backward) in counts.items():
        print(f'{name:12}{forward:14.2f}{backward:16.2f}')
    printed, ours = map(sum, counts.values())
    print(f'as printed / CanKDLoss: operations {printed / ours:.2f}x')


def print_measurements(args: argparse.Namespace) -> None:
    """Prints time and peak memory of both forms."""
    torch.set_num_threads(args.threads)
    device = args.device
    if device.startswith('cuda'):
        device = torch.cuda.get_device_name(device)
    print(
        f'torch {torch.__version__}, {device}, {args.threads} CPU thread(s), '
        f'float32, medians of {args.repeats} (least to most)'
    )
    print(
        'student gradients differ by at most '
        f'{largest_difference(args):.1e} of their peak'
    )
    memory = {name: measure_memory(name, args) / MIB for name in FORMS}
    times = measure_times(args)
    print(
        f'{"":12}{"forward ms":>14}{"backward ms":>16}'
        f'{"both ms":>32}{"peak MiB":>10}'
    )
    total = {}
    for name, pairs in times.items():
        forward, backward = (
            1000 * statistics.median(part) for part in zip(*pairs, strict=True)
        )
        sums = [1000 * sum(pair) for pair in pairs]
        total[name] = statistics.median(sums)
        both = f'{total[name]:.1f} ({min(sums):.1f} to {max(sums):.1f})'
        print(
            f'{name:12}{forward:14.1f}{backward:16.1f}{both:>32}'
            f'{memory[name]:10.0f}'
        )
    printed, ours = FORMS
    print(
        f'as printed / CanKDLoss: time {total[printed] / total[ours]:.2f}x, '
        f'peak memory {memory[printed] / memory[ours]:.2f}x'
    )


def main() -> None:
    """Counts the operations of both forms and measures them."""
    args = parse_args()
    print_counts(args)
    if not args.count_only:
        print_measurements(args)


if __name__ == '__main__':
    main()
