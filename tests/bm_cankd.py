"""Time and memory of CanKDLoss beside the quadratic form as printed.

    python -m tests.bm_cankd --size 2 256 100 168
    python -m tests.bm_cankd --size 1 256 200 336 --count-only

Both forms run on the same weights and features; how they are measured is said
in :mod:`tests.measuring`.
"""

import argparse

import torch
import torch.nn.functional as F

from cankd_mm.losses import CanKDLoss
from tests import measuring
from tests.measuring import MIB, Form


def build(args: argparse.Namespace, size: list[int], device: str):
    """A loss past its zero start, a student's and a teacher's feature."""
    torch.manual_seed(0)
    with torch.device(device):
        loss = CanKDLoss(size[1], sub_sample=not args.no_sub_sample)
        torch.nn.init.ones_(loss.levels[0].out_norm.weight)
        teacher = torch.randn(size)
        student = (teacher + torch.randn(size)).requires_grad_()
    return loss, student, teacher


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


PRINTED = Form(build, printed_loss)
OURS = Form(build)
FORMS = {'as printed': PRINTED, 'CanKDLoss': OURS}


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    measuring.add_arguments(parser, size=[2, 256, 100, 168], repeats=5)
    parser.add_argument(
        '--no-sub-sample', action='store_true', help='no 2x2 pooling of keys'
    )
    parser.add_argument(
        '--count-only', action='store_true', help='count operations and stop'
    )
    return parser.parse_args()


def main() -> None:
    """Counts the operations of both forms and measures them."""
    args = parse_args()
    batch, _, height, width = args.size
    stride = 1 if args.no_sub_sample else 2
    pairs = height * width * (height // stride) * (width // stride)
    print(
        f'size {tuple(args.size)}, {"no " if args.no_sub_sample else ""}'
        f'pooling; one affinity matrix as printed has '
        f'{4 * batch * pairs / MIB:.1f} MiB in float32'
    )
    printed, ours = measuring.print_counts(FORMS, args).values()
    print(f'as printed / CanKDLoss: operations {printed / ours:.2f}x')
    if args.count_only:
        return
    difference = measuring.relative_difference(PRINTED, OURS, args)
    print(f'student gradients differ by {difference:.1e} of their peak')
    times, memory = (
        list(figures.values())
        for figures in measuring.print_measurements(FORMS, args)
    )
    print(
        f'as printed / CanKDLoss: time {times[0] / times[1]:.2f}x, '
        f'peak memory {memory[0] / memory[1]:.2f}x'
    )


if __name__ == '__main__':
    main()
