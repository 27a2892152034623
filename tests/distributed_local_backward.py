"""Two processes train with and without local backward, and compare.

    torchrun --nproc_per_node=2 -m tests.distributed_local_backward FILE

Writes to FILE (JSON, as what is printed by two processes can be mixed within
a line) for each way of wrapping the largest difference of any parameter: to
one backward of the sum, and to the other process.
"""

import copy
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS

from cankd_mm.engine import LocalBackwardHook
from cankd_mm.utils.process_group import leave_process_group
from tests import local_models, tiny_models

ACCUMULATED = dict(accumulative_counts=2, clip_grad=dict(max_norm=0.1))
# Name: side of the cuts, options of the optimizer, of the model wrapper.
CASES = {
    'input': ('input', {}, {}),
    'output': ('output', {}, {}),
    'accumulated': ('input', ACCUMULATED, dict(gradient_as_bucket_view=True)),
    'unused searched': ('output', {}, dict(find_unused_parameters=True)),
}


def train(on: str, local_backward: bool, options: dict, wrapping: dict):
    """Six steps, each process on images of its own."""
    torch.manual_seed(0)
    config = local_models.distillation(
        local_models.FAMILIES['ResNet'], on, local_backward=local_backward
    )
    model = MODELS.build(config)
    model.init_weights()
    model = MMDistributedDataParallel(model.double().train(), **wrapping)
    runner = SimpleNamespace(
        model=model,
        optim_wrapper=OptimWrapper(
            torch.optim.SGD(
                [p for p in model.parameters() if p.requires_grad],
                lr=0.02,
                momentum=0.9,
            ),
            **copy.deepcopy(options),
        ),
    )
    hook = LocalBackwardHook()
    hook.before_train(runner)
    for step in range(6):
        batch = tiny_models.segmentation_batch()
        shift = 10 * step + 60 * dist.get_rank()
        batch['inputs'] = [
            (image.double() + shift).clamp(max=255)
            for image in batch['inputs']
        ]
        hook.before_train_iter(runner, step)
        model.train_step(batch, runner.optim_wrapper)
        hook.after_train_iter(runner, step)
    return dict(model.module.named_parameters())


def difference(ours: dict, theirs: dict) -> float:
    """The largest of any parameter."""
    return max((ours[k] - theirs[k]).abs().max().item() for k in ours)


def main() -> None:
    """Compares every case, and both processes."""
    dist.init_process_group('gloo')
    found = {}
    for name, (on, options, wrapping) in CASES.items():
        early = train(on, True, options, wrapping)
        summed = train(on, False, options, {})
        first = {k: v.detach().clone() for k, v in early.items()}
        for value in first.values():
            dist.broadcast(value, 0)
        found[name] = dict(
            to_summed=difference(early, summed),
            to_other_process=difference(early, first),
        )
    # The first process differs by nothing from what it sent itself.
    if dist.get_rank() == 1:
        Path(sys.argv[1]).write_text(json.dumps(found))
    leave_process_group()


if __name__ == '__main__':
    main()
