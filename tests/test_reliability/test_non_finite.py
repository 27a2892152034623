"""No training computes NaN in silence, and none loses what was good.

Through the real tools, on digits: four iterations of four images an epoch.
"""

from pathlib import Path

import pytest
import torch

from tests.commands import ROOT, launch_unchecked
from tests.digits_run import (
    DISTILLATION,
    PLAIN,
    TEACHER,
    data_options,
    training_options,
)
from tests.forked_tools import fork_tool, fork_tool_unchecked

_PIPELINE = """
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
"""


def _config(tmp_path: Path, text: str, base: str = PLAIN) -> Path:
    """A config file on top of one of the repository."""
    file = tmp_path / 'config.py'
    file.write_text(f'_base_ = [{str(ROOT / base)!r}]\n{text}')
    return file


def _nan_image(**arguments) -> str:
    return f"""
custom_imports = dict(imports=[
    'cankd_mm', 'tests.test_reliability.nan_image'])
train_dataloader = dict(dataset=dict(pipeline=[{_PIPELINE}
    dict(type='NanImage', **{arguments!r}),
    dict(type='PackDetInputs')]))
"""


def _options(work_dir: Path, epochs: int = 1) -> list:
    return [
        *('--work-dir', work_dir, '--cfg-options'),
        *data_options(),
        *training_options(epochs),
        # Evaluation is not what is tested.
        'val_dataloader.dataset.indices=2',
        f'train_cfg.val_begin={epochs + 1}',
    ]


def _stopped(config: str | Path, work_dir: Path, *more) -> str:
    """Trains and returns what was printed, of a run that must fail."""
    code, output = fork_tool_unchecked('train.py', config, *more)
    assert code == 1, output[-6000:]
    for checkpoint in work_dir.glob('*.pth'):
        state = torch.load(checkpoint, weights_only=False)['state_dict']
        assert all(value.isfinite().all() for value in state.values())
    return output


def _report(output: str) -> str:
    """The error of the guard, up to the remedies."""
    report = output.rpartition('NonFiniteLossError: ')[2]
    return report.partition('Ways out')[0]


@pytest.mark.parametrize('config', [PLAIN, DISTILLATION])
def test_a_diverging_learning_rate_stops_training(config, tmp_path):
    output = _stopped(
        config,
        tmp_path,
        *_options(tmp_path),
        'optim_wrapper.optimizer.lr=1e30',
    )
    report = _report(output)
    assert 'losses of 3 consecutive iterations are NaN or infinite' in report
    assert 'First bad iteration: 2 (epoch 1)' in report
    assert 'loss_cls=nan' in report
    assert 'lr 1.29776e+29' in report
    assert report.count('.jpg') == 8
    assert not list(tmp_path.glob('*.pth'))


def test_a_run_whose_last_iteration_diverges_fails_too(tmp_path):
    output = _stopped(
        PLAIN,
        tmp_path,
        *_options(tmp_path),
        'optim_wrapper.optimizer.lr=1e30',
        'train_dataloader.batch_size=8',
    )
    assert 'is not saved' in _report(output)
    assert not list(tmp_path.glob('*.pth'))


DIVERGES_LATER = """
param_scheduler = [
    dict(type='MultiStepLR', milestones=[4], gamma=1e33, by_epoch=False)]
"""


@pytest.mark.parametrize(
    'guard, more',
    [
        # Four iterations to an epoch, of which three are bad.
        ('losses of 3 consecutive', []),
        # Too few bad ones to stop: only the checkpoint can show it.
        pytest.param('is not saved', [], marks=pytest.mark.slow),
        (
            'is not saved',
            [
                'default_hooks.checkpoint.by_epoch=False',
                'default_hooks.checkpoint.interval=2',
            ],
        ),
    ],
    ids=['losses', 'weights by epoch', 'weights by iteration'],
)
def test_the_last_good_checkpoint_stays(guard, more, tmp_path):
    text = DIVERGES_LATER
    if guard == 'is not saved':
        text += "custom_hooks = [dict(type='NonFiniteLossHook', patience=9)]"
    config = _config(tmp_path, text)
    good = 'iter_4.pth' if more else 'epoch_1.pth'
    work_dir = tmp_path / 'run'
    output = _stopped(config, work_dir, *_options(work_dir, 2), *more)
    report = _report(output)
    assert guard in report
    assert f'Last good checkpoint: {work_dir / good}' in report
    assert [path.name for path in work_dir.glob('*.pth')] == [good]
    last = (work_dir / 'last_checkpoint').read_text()
    assert last == str(work_dir / good)


def _teacher_file(tmp_path: Path, change) -> Path:
    """The digits' teacher with one of its tensors changed."""
    checkpoint = torch.load(ROOT / TEACHER, weights_only=False)
    state = checkpoint['state_dict']
    # Published in float16, which holds nothing large.
    weight = state['backbone.layer2.0.conv1.weight'].float()
    state['backbone.layer2.0.conv1.weight'] = change(weight)
    path = tmp_path / 'teacher.pth'
    torch.save(checkpoint, path)
    return path


def _one_nan(weight: torch.Tensor) -> torch.Tensor:
    weight[0, 0, 0, 0] = torch.nan
    return weight


def _enormous(weight: torch.Tensor) -> torch.Tensor:
    """Finite, unlike what it makes of an image."""
    return torch.full_like(weight, 3e38)


@pytest.mark.parametrize('check', [True, False])
def test_one_nan_in_a_teachers_weight_is_refused(check, tmp_path):
    teacher = _teacher_file(tmp_path, _one_nan)
    output = _stopped(
        DISTILLATION,
        tmp_path / 'run',
        *('--teacher-ckpt', teacher),
        *([] if check else ['--no-check']),
        *_options(tmp_path / 'run'),
    )
    assert str(teacher) in output
    assert 'backbone.layer2.0.conv1.weight (1 NaN of' in output
    assert 'Epoch(train)' not in output


def test_weight_of_0_trains_the_plain_student_beside_an_infinite_teacher(
    tmp_path,
):
    teacher = _teacher_file(tmp_path, _enormous)
    output = fork_tool(
        *('train.py', DISTILLATION, '--teacher-ckpt', teacher),
        *_options(tmp_path / 'distilled'),
        'model.distill_weight=0',
    )
    assert 'values in a dry forward of the teacher' in output
    fork_tool('train.py', PLAIN, *_options(tmp_path / 'plain'))
    student, plain = (
        torch.load(tmp_path / name, weights_only=False)['state_dict']
        for name in ('distilled/epoch_1_student.pth', 'plain/epoch_1.pth')
    )
    assert student.keys() == plain.keys()
    assert all(torch.equal(student[key], plain[key]) for key in plain)


def test_a_teacher_that_is_infinite_is_refused(tmp_path):
    teacher = _teacher_file(tmp_path, _enormous)
    output = _stopped(
        DISTILLATION,
        tmp_path / 'run',
        *('--teacher-ckpt', teacher),
        *_options(tmp_path / 'run'),
    )
    assert 'model.distiller.teacher_recorders' in output
    assert 'expected finite features' in output


def test_an_image_of_nan_is_named(tmp_path):
    config = _config(tmp_path, _nan_image(name='train_00008.jpg'))
    work_dir = tmp_path / 'run'
    output = _stopped(config, work_dir, *_options(work_dir))
    first, last = _report(output).split('Last iteration: ')
    assert 'First bad iteration: ' in first
    assert 'train_00008.jpg' in first
    assert 'train_00008.jpg' not in last


def test_loss_of_one_process_of_two_ends_the_job(tmp_path):
    config = _config(tmp_path, _nan_image(name='', rank=1))
    code, output = launch_unchecked(
        'dist_train.sh',
        *(config, 2, *_options(tmp_path / 'run')),
        # Four iterations of each process.
        'train_dataloader.batch_size=2',
        # A job that hangs ends here, and fails.
        timeout=240,
    )
    assert code != 0
    # Gradients are averaged, so the other process follows an iteration later.
    assert 'are NaN or infinite (process 1 of 2)' in output
    assert 'First bad iteration: 1 (epoch 1)' in output
    assert not list((tmp_path / 'run').glob('*.pth'))
