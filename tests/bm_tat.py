"""Time and memory of TaT: patches and anchors, one to all, explicit weights.

    python -m tests.bm_tat --size 1 256 128 128

One to all is the full attention between student and teacher, once as
TaTLoss computes it and once with its L x L weights as printed, on the same
weights and features. How all are measured is said in :mod:`tests.measuring`.
"""

import argparse
from functools import partial

import torch
import torch.nn.functional as F

from cankd_mm.losses import TaTLoss
from tests import measuring
from tests.measuring import MIB, Form


def build(
    args: argparse.Namespace, size: list[int], device: str, **settings
) -> tuple[TaTLoss, torch.Tensor, torch.Tensor]:
    """A loss, a student's and a teacher's feature."""
    torch.manual_seed(0)
    with torch.device(device):
        loss = TaTLoss(size[1], size[1], **settings)
        teacher = torch.randn(size)
        student = (teacher + torch.randn(size)).requires_grad_()
    return loss, student, teacher


def explicit_loss(
    loss: TaTLoss, s: torch.Tensor, t: torch.Tensor
) -> torch.Tensor:
    """One to all with the softmax of its L x L similarities."""
    query, key, value = (
        x.flatten(2).transpose(1, 2) for x in loss.levels[0](s, t)
    )
    weights = F.softmax(query @ key.transpose(1, 2), dim=-1)
    return loss.loss_weight * F.mse_loss(
        weights @ value, t.flatten(2).transpose(1, 2)
    )


build_one_to_all = partial(build, patch_size=None, anchor_stride=None)
EXPLICIT = Form(build_one_to_all, explicit_loss)
FUSED = Form(build_one_to_all)
PATCHES = Form(build)
FORMS = {
    'explicit': EXPLICIT,
    'one to all': FUSED,
    'patch + anchor': PATCHES,
}


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    measuring.add_arguments(parser, size=[1, 256, 128, 128], repeats=3)
    return parser.parse_args()


def main() -> None:
    """Measures the three forms in one run."""
    args = parse_args()
    batch, _, height, width = args.size
    print(
        f'size {tuple(args.size)}; patches of 8x8, anchors every 4x4; the '
        'explicit weights alone have '
        f'{4 * batch * (height * width) ** 2 / MIB:.0f} MiB in float32'
    )
    measuring.print_counts(FORMS, args)
    difference = measuring.relative_difference(EXPLICIT, FUSED, args)
    print(
        'student gradients of explicit and one to all differ by '
        f'{difference:.1e} of their peak'
    )
    times, memory = measuring.print_measurements(FORMS, args)
    for name in ('one to all', 'patch + anchor'):
        print(
            f'explicit / {name}: time {times["explicit"] / times[name]:.2f}x, '
            f'peak memory {memory["explicit"] / memory[name]:.2f}x'
        )


if __name__ == '__main__':
    main()
