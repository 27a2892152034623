"""Every checkpoint has its student beside it, and no longer than itself."""

import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from cankd_mm.engine import student_checkpoint_hook
from cankd_mm.utils.student_export import export_student


class Student(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, inputs, mode='tensor'):
        if mode == 'loss':
            return dict(loss=(self.weight * inputs.float().mean()).sum())
        return [inputs]


class Distillation(BaseModel):
    def __init__(self):
        super().__init__()
        self.architecture = Student()
        self.distiller = nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        return self.architecture(inputs, mode)


class Score(BaseMetric):
    """Falls from one evaluation to the next."""

    score = 10.0

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        Score.score -= 1
        return dict(score=Score.score)


class Batches(torch.utils.data.Dataset):
    metainfo = dict()

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.tensor(float(index)))


def _runner(work_dir, model, train_cfg, checkpoint, **kwargs) -> Runner:
    def loader():
        data = Batches()
        return DataLoader(data, 2, sampler=DefaultSampler(data, shuffle=False))

    return Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=loader(),
        val_dataloader=loader(),
        val_evaluator=Evaluator(Score()),
        train_cfg=train_cfg,
        val_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', **checkpoint)
        ),
        custom_hooks=[
            dict(type='StudentCheckpointHook'),
            *kwargs.pop('custom_hooks', []),
        ],
        experiment_name=f'{work_dir.name}-{work_dir.parent.name}',
        **kwargs,
    )


def _weight(path) -> torch.Tensor:
    return torch.load(path, weights_only=True)['state_dict']['weight']


def _files(work_dir) -> set[str]:
    return {path.name for path in work_dir.glob('*.pth')}


def test_checkpoints_by_epoch_the_best_and_the_removed(tmp_path):
    runner = _runner(
        tmp_path,
        Distillation(),
        dict(by_epoch=True, max_epochs=3),
        dict(interval=1, max_keep_ckpts=1, save_best='score', rule='greater'),
    )
    runner.train()
    assert _files(tmp_path) == {
        'epoch_3.pth',
        'epoch_3_student.pth',
        'best_score_epoch_1.pth',
        'best_score_epoch_1_student.pth',
    }
    trained = runner.model.architecture.weight
    assert torch.equal(_weight(tmp_path / 'epoch_3_student.pth'), trained)
    best = _weight(tmp_path / 'best_score_epoch_1_student.pth')
    assert not torch.equal(best, trained)


def test_unchanged_best_checkpoint_is_exported_once(tmp_path, monkeypatch):
    exported = []

    def export(checkpoint, student):
        exported.append(checkpoint.name)
        return export_student(checkpoint, student)

    monkeypatch.setattr(student_checkpoint_hook, 'export_student', export)
    _runner(
        tmp_path,
        Distillation(),
        dict(by_epoch=True, max_epochs=3),
        dict(interval=1, save_best='score', rule='greater'),
    ).train()
    assert exported.count('best_score_epoch_1.pth') == 1
    assert {'epoch_2.pth', 'epoch_3.pth'} <= set(exported)


def test_checkpoints_by_iteration(tmp_path):
    runner = _runner(
        tmp_path,
        Distillation(),
        dict(by_epoch=False, max_iters=4, val_interval=4),
        dict(interval=2, by_epoch=False),
    )
    runner.train()
    assert {'iter_2_student.pth', 'iter_4_student.pth'} <= _files(tmp_path)


def test_mean_of_weights_is_what_the_student_gets(tmp_path):
    runner = _runner(
        tmp_path,
        Distillation(),
        dict(by_epoch=True, max_epochs=2),
        dict(interval=2),
        custom_hooks=[dict(type='EMAHook', momentum=0.5)],
    )
    runner.train()
    student = _weight(tmp_path / 'epoch_2_student.pth')
    assert not torch.equal(student, runner.model.architecture.weight)
    checkpoint = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)
    mean = checkpoint['state_dict']['architecture.weight']
    assert torch.equal(student, mean)


def test_plain_models_are_left_alone(tmp_path):
    runner = _runner(
        tmp_path,
        Student(),
        dict(by_epoch=True, max_epochs=1),
        dict(interval=1),
    )
    runner.train()
    assert _files(tmp_path) == {'epoch_1.pth'}
