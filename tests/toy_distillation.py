"""A distillation of two numbers, for what a runner does around a model."""

from itertools import count
from pathlib import Path

import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

_NUMBERS = count()


class Student(BaseModel):
    """Its weights fall with every step."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, inputs, mode='tensor'):
        if mode == 'loss':
            return dict(loss=(self.weight * inputs.float().mean()).sum())
        return [self.weight.detach().sum()]


class Distillation(BaseModel):
    """Has its student where MMRazor's algorithms have theirs."""

    def __init__(self):
        super().__init__()
        self.architecture = Student()
        self.distiller = nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        return self.architecture(inputs, mode)


class WeightSum(BaseMetric):
    """Falls from one evaluation to the next, as the student's weights do."""

    def process(self, data_batch, data_samples):
        self.results.append(float(data_samples[0]))

    def compute_metrics(self, results):
        return dict(score=results[0])


class Numbers(torch.utils.data.Dataset):
    """As many numbers as asked for."""

    metainfo = dict()

    def __init__(self, length: int):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return dict(inputs=torch.tensor(float(index)))


def toy_runner(
    work_dir: Path, model: BaseModel, train_cfg: dict, checkpoint: dict, **kw
) -> Runner:
    """A runner of one iteration for two numbers, with a validation.

    Args:
        work_dir: As the runner's.
        model: What is trained.
        train_cfg: As the runner's.
        checkpoint: Arguments of the ``CheckpointHook``.
        **kw: ``length``, how many numbers there are to train on (4), and more
            arguments of the runner.
    """

    def loader(length: int, shuffle: bool):
        data = Numbers(length)
        sampler = DefaultSampler(data, shuffle=shuffle, seed=0)
        return DataLoader(data, 2, sampler=sampler)

    return Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=loader(kw.pop('length', 4), shuffle=True),
        val_dataloader=loader(4, shuffle=False),
        val_evaluator=Evaluator(WeightSum()),
        train_cfg=train_cfg,
        val_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', **checkpoint)
        ),
        custom_hooks=[
            dict(type='StudentCheckpointHook'),
            *kw.pop('custom_hooks', []),
        ],
        randomness=dict(seed=0),
        # Runs of one name that start in the same second share what they log.
        experiment_name=f'{work_dir.name}-{next(_NUMBERS)}',
        **kw,
    )
