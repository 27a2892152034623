"""A run of a second: a linear model on eight numbers."""

import os

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn


class Toy(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))

    def forward(self, x, mode='tensor'):
        out = self.layers(torch.stack(x) if isinstance(x, list) else x)
        return dict(loss=out.square().mean()) if mode == 'loss' else [out]


class Numbers(torch.utils.data.Dataset):
    metainfo = dict(classes=('a', 'b'), palette=np.eye(3, dtype=np.uint8))

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        return dict(x=torch.tensor([index, 1.0]))


class Accuracy(BaseMetric):
    def process(self, data_batch, data_samples) -> None:
        self.results.append(1)

    def compute_metrics(self, results) -> dict:
        return dict(acc=np.float64(0.5), acc2=0.25)


def toy_runner(work_dir, epochs: int, **arguments) -> Runner:
    """Builds a runner with the usual hooks that saves its best checkpoint.

    Args:
        work_dir: Its last part is the name of the run.
        epochs: Number of epochs, of two iterations each.
        **arguments: Of :class:`mmengine.runner.Runner`.
    """

    def loader(shuffle):
        return dict(
            dataset=Numbers(),
            batch_size=4,
            sampler=dict(type='DefaultSampler', shuffle=shuffle),
        )

    arguments.setdefault(
        'default_hooks',
        dict(checkpoint=dict(type='CheckpointHook', save_best='acc')),
    )
    return Runner(
        model=Toy(),
        work_dir=str(work_dir),
        train_dataloader=loader(True),
        val_dataloader=loader(False),
        val_cfg=dict(),
        val_evaluator=Evaluator(Accuracy()),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=3),
            dict(type='OneCycleLR', eta_max=0.1, total_steps=10),
        ],
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        custom_hooks=[dict(type='EMAHook')],
        cfg=Config(dict(note='a run')),
        experiment_name=os.path.basename(work_dir),
        **arguments,
    )
