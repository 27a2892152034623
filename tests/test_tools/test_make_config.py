"""``tools/make_config.py`` and ``tools/train.py --distill-from``."""

import re

import pytest
from mmengine.config import Config

from tests.commands import ROOT
from tests.forked_tools import fork_tool, fork_tool_unchecked

TOOL = 'make_config.py'
DIGITS = ROOT / 'configs/digits'
STUDENT = str(DIGITS / 'baseline_retinanet.py')
TEACHER = str(DIGITS / 'teacher_retinanet.py')
WEIGHTS = str(DIGITS / 'teacher_retinanet.pth')


def make(out, *options, method='cankd'):
    return fork_tool_unchecked(
        TOOL, STUDENT, TEACHER, '--method', method, '-o', out, *options
    )


@pytest.mark.parametrize('method', ['cankd', 'tat', 'lakd', 'cskd'])
def test_writes_a_config_that_trains(tmp_path, method):
    path = tmp_path / 'pair.py'
    code, output = make(path, '--teacher-ckpt', WEIGHTS, method=method)
    assert code == 0, output
    assert 'checks      no faults found' in output
    assert f'distill.loss_{method}' in output
    assert f'next        python tools/train.py {path}' in output
    cfg = Config.fromfile(path)
    assert cfg.model.teacher_ckpt == WEIGHTS


@pytest.mark.parametrize(
    'text, message',
    [
        ('a = [', 'a config cannot be read: SyntaxError'),
        (
            "custom_imports = dict(imports=['no_such_package'])",
            'no_such_package',
        ),
    ],
)
def test_a_student_that_cannot_be_read_is_told(tmp_path, text, message):
    student = tmp_path / 'student.py'
    student.write_text(text)
    code, output = fork_tool_unchecked(
        TOOL, student, TEACHER, '--method', 'cankd', '-o', tmp_path / 'a.py'
    )
    assert code == 1
    assert message in output
    assert 'Traceback' not in output


def test_a_file_that_is_there_is_not_lost(tmp_path):
    path = tmp_path / 'pair.py'
    path.write_text('mine')
    code, output = make(path, '--teacher-ckpt', WEIGHTS)
    assert code == 1
    assert 'is there already, and nothing was written' in output
    assert path.read_text() == 'mine'


@pytest.mark.parametrize(
    'options, reason',
    [
        ([], 'has no published weights'),
        (['--teacher-ckpt', 'nowhere.pth'], 'there is no file nowhere.pth'),
        (['--teacher-ckpt', WEIGHTS, '--at', 'nek'], "closest .*'neck'"),
        (
            ['--teacher-ckpt', WEIGHTS, '--classes', 'a,,b'],
            'expected a sequence of names',
        ),
    ],
)
def test_refuses_with_the_reason_and_writes_nothing(tmp_path, options, reason):
    code, output = make(tmp_path / 'new/pair.py', *options)
    assert code in (1, 2)
    assert 'Traceback' not in output
    assert re.search(reason, output), output
    assert not list(tmp_path.iterdir())


def test_distill_from_trains_and_leaves_the_config(tmp_path):
    output = fork_tool(
        *('train.py', STUDENT, '--distill-from', TEACHER, '--method', 'cankd'),
        *('--teacher-ckpt', WEIGHTS, '--work-dir', tmp_path),
        *('--cfg-options', 'train_cfg.max_epochs=1'),
        *('train_dataloader.dataset.indices=32', 'val_cfg=None'),
        *('val_dataloader=None', 'val_evaluator=None'),
    )
    (path,) = (tmp_path / 'made').iterdir()
    assert path.name == 'cankd_teacher_retinanet_baseline_retinanet.py'
    assert 'FrozenTeacherDistill' in path.read_text()
    assert 'distill.loss_cankd' in output


@pytest.mark.parametrize(
    'options, reason',
    [
        (['--distill-from', TEACHER], '--distill-from needs --method'),
        (['--method', 'cankd'], '--method and --at need --distill-from'),
        (
            ['--distill-from', TEACHER, '--method', 'cankd'],
            'has no published weights',
        ),
    ],
)
def test_an_incomplete_command_is_refused(tmp_path, options, reason):
    code, output = fork_tool_unchecked(
        'train.py', STUDENT, '--work-dir', tmp_path, *options
    )
    assert code
    assert reason in output
    assert 'Traceback' not in output


def test_text_that_is_no_file_of_classes_is_refused(tmp_path):
    command = (
        *('train.py', STUDENT, '--distill-from', TEACHER, '--method', 'cankd'),
        *('--teacher-ckpt', WEIGHTS, '--work-dir', tmp_path),
        *('--cfg-options', 'classes=names.txt', 'data_root=nowhere'),
    )
    code, output = fork_tool_unchecked(*command)
    assert code == 1
    assert "classes='names.txt' is text" in output
    assert not list(tmp_path.iterdir())


def test_options_of_the_students_model_are_refused(tmp_path):
    code, output = fork_tool_unchecked(
        *('train.py', STUDENT, '--distill-from', TEACHER, '--method', 'cankd'),
        *('--teacher-ckpt', WEIGHTS, '--work-dir', tmp_path),
        *('--cfg-options', 'model.backbone.frozen_stages=4'),
    )
    assert code == 1
    assert 'model.backbone.frozen_stages: with --distill-from' in output


def test_an_edited_config_is_not_replaced(tmp_path):
    path = tmp_path / 'made/cankd_teacher_retinanet_baseline_retinanet.py'
    path.parent.mkdir()
    path.write_text('# mine')
    code, output = fork_tool_unchecked(
        *('train.py', STUDENT, '--distill-from', TEACHER, '--method', 'cankd'),
        *('--teacher-ckpt', WEIGHTS, '--work-dir', tmp_path),
    )
    assert code == 1
    assert 'is there with another text' in output
    assert path.read_text() == '# mine'
