"""``tools/train.py`` and ``tools/test.py`` as a user runs them."""

import pickle
from pathlib import Path

import pytest
import torch

from tests.commands import run_tool
from tests.digits_run import (
    DISTILLATION,
    PLAIN,
    TEACHER,
    data_options,
    last_map,
    student_options,
    training_options,
)
from tests.forked_tools import fork_tool, fork_tool_unchecked


@pytest.fixture(scope='module')
def distilled(tmp_path_factory) -> tuple[Path, str]:
    """Work directory and output of one distillation."""
    work_dir = tmp_path_factory.mktemp('distilled')
    output = run_tool(
        'train.py',
        DISTILLATION,
        '--work-dir',
        work_dir,
        '--student-ckpt',
        TEACHER,
        '--seed',
        3,
        '--cfg-options',
        *student_options('model.architecture'),
        *data_options(),
        *training_options(),
    )
    return work_dir, output


def _test(config: str, checkpoint: Path, work_dir: Path, *options) -> str:
    prefix = 'model.architecture' if config == DISTILLATION else 'model'
    return fork_tool(
        'test.py',
        config,
        checkpoint,
        '--work-dir',
        work_dir,
        *options,
        '--cfg-options',
        *student_options(prefix),
        *data_options(),
    )


def test_training_reports_what_was_loaded(distilled):
    _, output = distilled
    assert '100.0 % of the weights loaded' in output
    assert 'model.teacher_ckpt' in output and 'model.student_ckpt' in output
    assert 'made for 16 images a step; this run has 4' in output
    assert 'distill.loss_cankd' in output and ' loss_cls' in output


def test_checkpoint_holds_student_and_distiller_and_no_teacher(distilled):
    work_dir, _ = distilled
    checkpoint = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
    roots = {key.split('.')[0] for key in checkpoint['state_dict']}
    assert roots == {'backbone', 'neck', 'bbox_head', 'distiller'}


@pytest.mark.parametrize('config', [DISTILLATION, PLAIN])
@pytest.mark.parametrize('checkpoint', ['epoch_1.pth', 'epoch_1_student.pth'])
def test_every_combination_scores_as_the_last_validation(
    distilled, config, checkpoint, tmp_path
):
    work_dir, trained = distilled
    output = _test(config, work_dir / checkpoint, tmp_path)
    assert last_map(output) == last_map(trained) > 0.5
    kind = 'plain' if 'student' in checkpoint else 'distillation'
    assert f'config, {kind} checkpoint' in output


def test_predictions_are_written_and_painted(distilled, tmp_path):
    work_dir, _ = distilled
    out = tmp_path / 'predictions.pkl'
    fork_tool(
        'test.py',
        PLAIN,
        work_dir / 'epoch_1_student.pth',
        '--work-dir',
        tmp_path,
        '--out',
        out,
        '--show-dir',
        tmp_path / 'painted',
        '--cfg-options',
        *student_options('model'),
        *data_options(),
    )
    assert len(pickle.loads(out.read_bytes())) == 24
    assert len(list(tmp_path.glob('**/painted/**/*.jpg'))) == 24


def test_resume_goes_on_where_the_run_stopped(distilled, tmp_path):
    work_dir, _ = distilled
    output = fork_tool(
        'train.py',
        DISTILLATION,
        '--work-dir',
        tmp_path,
        '--resume',
        work_dir / 'epoch_1.pth',
        '--cfg-options',
        *student_options('model.architecture'),
        *data_options(),
        *training_options(epochs=2),
    )
    assert 'Epoch(train) [2][1/4]' in output
    assert 'Epoch(train) [1][' not in output
    assert (tmp_path / 'epoch_2_student.pth').exists()
    again = fork_tool(
        'train.py',
        DISTILLATION,
        '--work-dir',
        tmp_path,
        '--resume',
        '--cfg-options',
        *student_options('model.architecture'),
        *data_options(),
        *training_options(epochs=3),
    )
    assert 'Epoch(train) [3][1/4]' in again
    assert 'Epoch(train) [2][' not in again


def test_zero_distill_weight_trains_bit_for_bit_as_without_a_teacher(tmp_path):
    options = [*data_options(), *training_options()]
    fork_tool(
        'train.py',
        DISTILLATION,
        '--work-dir',
        tmp_path / 'zero',
        '--cfg-options',
        'model.distill_weight=0.0',
        *options,
    )
    fork_tool(
        'train.py',
        PLAIN,
        '--work-dir',
        tmp_path / 'plain',
        '--cfg-options',
        *options,
    )
    student = torch.load(tmp_path / 'zero' / 'epoch_1_student.pth')
    plain = torch.load(tmp_path / 'plain' / 'epoch_1.pth', weights_only=False)
    assert student['state_dict'].keys() == plain['state_dict'].keys()
    for name, value in plain['state_dict'].items():
        assert torch.equal(student['state_dict'][name], value), name


BAD_TRAINING = {
    'teacher that is not there': (
        ['--teacher-ckpt', 'nowhere.pth'],
        ['--teacher-ckpt', 'nowhere.pth', 'there is no file'],
    ),
    'no teacher weights': (
        ['--cfg-options', 'model.teacher_ckpt=None'],
        ['model.teacher_ckpt=None', 'allow_random_teacher'],
    ),
    'weights of another model': (
        [
            '--teacher-ckpt',
            TEACHER,
            '--cfg-options',
            'model.teacher.backbone.base_channels=16',
        ],
        ['model.teacher_ckpt', 'mis-shaped backbone'],
    ),
    'misspelt source': (
        [
            '--cfg-options',
            'model.distiller.student_recorders.neck.source=nek',
        ],
        ["neck.source: 'nek'", "'neck'"],
    ),
    'other channels': (
        [
            '--cfg-options',
            'model.distiller.distill_losses.loss_cankd.in_channels=32',
        ],
        ['loss_cankd', "student 'neck'", '(1, 48, 24, 24)'],
    ),
    'resume from nothing': (
        ['--resume', 'nowhere.pth'],
        ['--resume', 'nowhere.pth'],
    ),
    'mixed precision without a GPU': (
        ['--amp'],
        ['--amp needs a GPU'],
    ),
}


@pytest.mark.parametrize('case', BAD_TRAINING)
def test_bad_input_stops_before_the_first_iteration(case, tmp_path):
    if case == 'mixed precision without a GPU' and torch.cuda.is_available():
        pytest.skip('there is a GPU')
    arguments, expected = BAD_TRAINING[case]
    code, output = fork_tool_unchecked(
        'train.py',
        DISTILLATION,
        '--work-dir',
        tmp_path,
        *arguments,
    )
    assert code != 0
    error = output.strip().splitlines()
    message = '\n'.join(error[-20:])
    for part in expected:
        assert part in message
    assert 'Epoch(train)' not in output


def test_checkpoint_options_need_a_distillation_config(tmp_path):
    code, output = fork_tool_unchecked(
        *('train.py', PLAIN, '--work-dir', tmp_path),
        *('--teacher-ckpt', TEACHER),
    )
    assert code != 0
    assert 'the config has no teacher' in output


def test_testing_a_checkpoint_of_another_model_is_an_error(tmp_path):
    code, output = fork_tool_unchecked(
        'test.py', PLAIN, TEACHER, '--work-dir', tmp_path
    )
    assert code != 0
    assert 'does not belong to this config' in output
    assert 'coco/bbox_mAP' not in output
