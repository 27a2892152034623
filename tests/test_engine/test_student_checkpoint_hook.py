"""Every checkpoint has its student beside it, and no longer than itself."""

import re
import shutil

import torch

from cankd_mm.engine import student_checkpoint_hook
from cankd_mm.utils.student_export import export_student
from tests.toy_distillation import Distillation, Student, toy_runner


def _weight(path) -> torch.Tensor:
    return torch.load(path, weights_only=True)['state_dict']['weight']


def _files(work_dir) -> set[str]:
    return {path.name for path in work_dir.glob('*.pth')}


def test_checkpoints_by_epoch_the_best_and_the_removed(tmp_path):
    runner = toy_runner(
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

    def export(checkpoint, student, text):
        exported.append(checkpoint.name)
        return export_student(checkpoint, student, text)

    monkeypatch.setattr(student_checkpoint_hook, 'export_student', export)
    toy_runner(
        tmp_path,
        Distillation(),
        dict(by_epoch=True, max_epochs=3),
        dict(interval=1, save_best='score', rule='greater'),
    ).train()
    assert exported.count('best_score_epoch_1.pth') == 1
    assert {'epoch_2.pth', 'epoch_3.pth'} <= set(exported)


def test_checkpoints_by_iteration(tmp_path):
    runner = toy_runner(
        tmp_path,
        Distillation(),
        dict(by_epoch=False, max_iters=4, val_interval=4),
        dict(interval=2, by_epoch=False),
    )
    runner.train()
    assert {'iter_2_student.pth', 'iter_4_student.pth'} <= _files(tmp_path)


def test_mean_of_weights_is_what_the_student_gets(tmp_path):
    runner = toy_runner(
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
    runner = toy_runner(
        tmp_path,
        Student(),
        dict(by_epoch=True, max_epochs=1),
        dict(interval=1),
    )
    runner.train()
    assert _files(tmp_path) == {'epoch_1.pth'}


def test_student_of_an_earlier_run_goes_with_its_checkpoint(tmp_path):
    for epochs in (1, 2):
        toy_runner(
            tmp_path,
            Distillation(),
            dict(by_epoch=True, max_epochs=epochs),
            dict(interval=1, max_keep_ckpts=1),
            resume=epochs == 2,
        ).train()
    assert _files(tmp_path) == {'epoch_2.pth', 'epoch_2_student.pth'}


def test_student_that_cannot_be_written_does_not_stop_training(
    tmp_path, monkeypatch, logged
):
    def export(checkpoint, student, text):
        raise OSError(28, f'{student} was not written: no space')

    monkeypatch.setattr(student_checkpoint_hook, 'export_student', export)
    runner = toy_runner(
        tmp_path,
        Distillation(),
        dict(by_epoch=True, max_epochs=2),
        dict(interval=1),
    )
    runner.train()
    assert _files(tmp_path) == {'epoch_1.pth', 'epoch_2.pth'}
    log = next(tmp_path.glob('*/*.log')).read_text()
    errors = [line for line in log.splitlines() if 'ERROR' in line]
    assert len(errors) == 2
    assert 'epoch_1_student.pth was not written' in errors[0]
    assert re.search('Training goes on', errors[0])


def test_missing_student_is_written_when_a_run_is_resumed(tmp_path):
    for epochs in (1, 2):
        toy_runner(
            tmp_path,
            Distillation(),
            dict(by_epoch=True, max_epochs=epochs),
            dict(interval=1),
            resume=epochs == 2,
        ).train()
        if epochs == 1:
            (tmp_path / 'epoch_1_student.pth').unlink()
    assert {'epoch_1_student.pth', 'epoch_2_student.pth'} <= _files(tmp_path)


def test_students_in_other_folders_are_left_alone(tmp_path):
    """The message hub of a checkpoint may name any folder."""
    mine, other = tmp_path / 'mine', tmp_path / 'other'
    toy_runner(
        other,
        Distillation(),
        dict(by_epoch=True, max_epochs=1),
        dict(interval=1),
    ).train()
    shutil.copytree(other, tmp_path / 'before')
    toy_runner(
        mine,
        Distillation(),
        dict(by_epoch=True, max_epochs=2),
        dict(interval=1, max_keep_ckpts=1),
        resume=True,
        load_from=str(other / 'epoch_1.pth'),
    ).train()
    assert _files(other) == _files(tmp_path / 'before')
    assert _files(mine) == {'epoch_2.pth', 'epoch_2_student.pth'}
