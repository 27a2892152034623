"""Two processes train with distillation off and without one, and compare.

    torchrun --nproc_per_node=2 -m tests.distributed_distillation_off FILE

Writes to FILE (JSON) for each case the names of the student's tensors that
differ in any bit from those of the student trained by itself.
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS

from cankd_mm.utils.process_group import leave_process_group
from tests import local_models, tiny_models


def lakd(**kwargs) -> dict:
    """A student of local modules."""
    family = local_models.FAMILIES['ResNet']
    return local_models.distillation(family, 'output', **kwargs)


# Name: config, steps before the distillation is stopped.
CASES = {
    'weight 0': (tiny_models.fcn_pair(distill_weight=0.0), 0),
    'stopped': (tiny_models.fcn_pair(), 2),
    'local modules, weight 0': (lakd(distill_weight=0.0), 0),
    'local modules, stopped': (lakd(), 2),
}


def build(config: dict):
    """The same model in both processes."""
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def train(model, steps: int) -> None:
    """Each process with images of its own."""
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = OptimWrapper(torch.optim.SGD(parameters, lr=0.01))
    torch.manual_seed(dist.get_rank())
    for step in range(steps):
        batch = tiny_models.segmentation_batch()
        shift = 10 * step + 60 * dist.get_rank()
        batch['inputs'] = [
            (image.float() + shift).clamp(max=255) for image in batch['inputs']
        ]
        wrapped.train_step(batch, optimizer)


def refuse(*_):
    """Raises instead of a forward."""
    raise RuntimeError('the teacher is not used')


def main() -> None:
    """Compares every case."""
    dist.init_process_group('gloo')
    found = {}
    for name, (config, distilled_steps) in CASES.items():
        model = build(config)
        if distilled_steps:
            train(model, distilled_steps)
            model.distillation_stopped = True
        model.teacher.register_forward_pre_hook(refuse)
        # What was distilled stays in the distiller, not finite any more.
        for parameter in model.distiller.parameters():
            parameter.data.fill_(float('nan'))
        plain = build(config['architecture'])
        plain.load_state_dict(tiny_models.student_state(model))
        train(model, 3)
        train(plain, 3)
        expected = plain.state_dict()
        found[name] = [
            key
            for key, value in tiny_models.student_state(model).items()
            if not torch.equal(value, expected[key])
        ]
    if dist.get_rank() == 1:
        Path(sys.argv[1]).write_text(json.dumps(found))
    leave_process_group()


if __name__ == '__main__':
    main()
