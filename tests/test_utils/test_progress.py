"""The progress of a training, as a loss sees it, also after resuming."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from cankd_mm.losses import CSKDLoss
from cankd_mm.utils.progress import training_progress


def test_is_zero_without_a_runner():
    MessageHub.get_instance('nothing written')
    assert training_progress() == 0


@pytest.mark.parametrize(
    'iteration, iterations, expected',
    [(0, 100, 0), (75, 100, 0.75), (99, 100, 0.99), (120, 100, 1)],
)
def test_is_the_share_of_the_iterations(iteration, iterations, expected):
    hub = MessageHub.get_instance(f'{iteration} of {iterations}')
    hub.update_info('iter', iteration)
    hub.update_info('max_iters', iterations)
    assert training_progress() == expected


class Model(BaseModel):
    """CSKD between fixed logits: its value tells the weight alpha."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        student, teacher = torch.randn(2, 1, 3, 4, 4, generator=generator)
        self.student = nn.Parameter(student)
        self.register_buffer('teacher', teacher)
        self.loss = CSKDLoss(3, global_term='decoupled')

    def forward(self, *_, **__):
        return dict(loss=self.loss(self.student, self.teacher))


class Watch(Hook):
    """Notes the value of each iteration; stops behind one of them."""

    # Behind the checkpoint of the same iteration.
    priority = 'LOWEST'

    def __init__(self, stop=None):
        self.values = {}
        self.stop = stop

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.values[runner.iter] = outputs['loss']
        if runner.iter + 1 == self.stop:
            raise KeyboardInterrupt


LOOPS = dict(
    epochs=dict(type='EpochBasedTrainLoop', max_epochs=4),
    iterations=dict(type='IterBasedTrainLoop', max_iters=8),
)


@pytest.mark.parametrize('loop', LOOPS)
def test_schedule_goes_on_where_the_training_stopped(loop, tmp_path):
    def train(name, hook, resume):
        runner = Runner(
            model=Model(),
            work_dir=str(tmp_path),
            experiment_name=f'{tmp_path.name}-{name}',
            train_dataloader=DataLoader([dict(), dict()]),
            train_cfg=dict(LOOPS[loop]),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
            default_hooks=dict(
                checkpoint=dict(
                    type='CheckpointHook',
                    interval=4 if loop == 'iterations' else 2,
                    by_epoch=loop == 'epochs',
                )
            ),
            resume=resume,
        )
        runner.register_hook(hook)
        runner.train()
        return hook.values

    with pytest.raises(KeyboardInterrupt):
        # One iteration behind the checkpoint.
        train('first', Watch(stop=5), resume=False)
    values = train('second', Watch(), resume=True)
    assert list(values) == [4, 5, 6, 7]
    assert alphas(values) == pytest.approx([0.5, 0.375, 0.25, 0.125], abs=1e-5)


def alphas(values):
    """The weights of the local term that explain these losses."""
    model = Model()
    MessageHub.get_instance('the start')
    local = model()['loss'].item()
    hub = MessageHub.get_instance('the end')
    hub.update_info('iter', 1)
    hub.update_info('max_iters', 1)
    image = model()['loss'].item()
    assert abs(local - image) > 0.05
    return [
        (value.item() - image) / (local - image) for value in values.values()
    ]
