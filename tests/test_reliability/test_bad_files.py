"""Files that are no checkpoint, offered to every option that reads one.

A row is a file of some kind and a reader. Each has to fail before a model is
built, with the option or key, the path, what the file is, and what was
expected.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cankd_mm.checkpoint.publishing import publish_checkpoint
from cankd_mm.engine import testing, training
from cankd_mm.engine.training import TrainingOptions, training_runner
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.student_export import export_student
from tests import bad_files
from tests.commands import ROOT
from tests.digits_run import DISTILLATION, data_options, training_options
from tests.forked_tools import fork_tool_unchecked

# Reader, and the key or option that its message names.
KEYS = {
    'train --resume': '--resume',
    'train --teacher-ckpt': 'model.teacher_ckpt',
    'train --student-ckpt': 'model.student_ckpt',
    'train load_from': 'load_from',
    'train --no-check load_from': 'load_from',
    'test': 'checkpoint',
    'export_student': 'checkpoint',
    'publish_checkpoint': 'checkpoint',
}
# Data that torch reads; whether it is of use is another question there.
NO_WEIGHTS = ('no weights', 'a list')
# For folders and the like the command line says it of its own option.
NO_FILES = ('folder', 'broken link', 'pipe')
ROWS = [
    (name, reader)
    for reader in KEYS
    for name in bad_files.NAMES
    if not (reader == 'train --no-check load_from' and name in NO_WEIGHTS)
]


@pytest.fixture(scope='module')
def digits():
    """Config of a distillation of digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return config_from_file(DISTILLATION, 'config')


@pytest.fixture
def read(digits, monkeypatch, tmp_path) -> Callable:
    """Offers a file to a reader, as its tool does."""

    def build_runner(*_):
        raise AssertionError('a model is built')

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(training, 'build_runner', build_runner)
    monkeypatch.setattr(testing, 'build_runner', build_runner)
    cfg = copy.deepcopy(digits)
    cfg.work_dir = str(tmp_path / 'work_dir')
    out = tmp_path / 'out.pth'

    def run(reader: str, path: str) -> None:
        if reader == 'test':
            testing.test(cfg, testing.TestingOptions(path))
        elif reader == 'export_student':
            export_student(path, out)
        elif reader == 'publish_checkpoint':
            publish_checkpoint(path, out)
        elif reader.endswith('load_from'):
            cfg.load_from = path
            options = TrainingOptions(check='--no-check' not in reader)
            training_runner(cfg, options)
        else:
            option = reader.partition('--')[2].replace('-', '_')
            training_runner(cfg, TrainingOptions(**{option: path}))

    yield run
    assert not out.exists()


def expected_words(name: str, reader: str, words: str) -> str:
    if reader == 'train --resume' and name in NO_WEIGHTS:
        return 'is not the state of a training: it lacks'
    return words


def expected_key(name: str, reader: str) -> str:
    if name in NO_FILES and '_from' not in reader and '--' in reader:
        return reader.split()[1]
    return KEYS[reader]


@pytest.mark.parametrize(
    'name, reader', ROWS, ids=[f'{reader}-{name}' for name, reader in ROWS]
)
def test_message_names_key_file_kind_and_expectation(
    name, reader, read, tmp_path
):
    path, words = bad_files.write(name, tmp_path)
    with pytest.raises(ValueError) as error:
        read(reader, str(path))
    message = str(error.value)
    assert expected_key(name, reader) in message
    assert str(path) in message
    assert expected_words(name, reader, words) in message
    assert 'expected' in message.lower()
    assert 'If you trust' not in message


@pytest.mark.parametrize('reader', KEYS)
def test_missing_file(reader, read):
    # Of checked keys the message is a finding's.
    with pytest.raises((FileNotFoundError, ValueError)) as error:
        read(reader, 'no/where.pth')
    message = str(error.value)
    assert expected_key('folder', reader) in message
    assert "'no/where.pth': there is no file" in message


@pytest.mark.parametrize('path', [('a.pth',), ['a.pth']])
@pytest.mark.parametrize(
    'key, check',
    [
        ('model.teacher_ckpt', True),
        ('model.student_ckpt', True),
        ('load_from', True),
        ('load_from', False),
    ],
)
def test_comma_behind_a_path(key, check, path, digits, monkeypatch):
    monkeypatch.chdir(ROOT)
    cfg = copy.deepcopy(digits)
    cfg.merge_from_dict({key: path})
    with pytest.raises(ValueError) as error:
        training_runner(cfg, TrainingOptions(check=check))
    message = str(error.value)
    assert f'{path!r} is a {type(path).__name__} of one path' in message
    assert f"remove the comma, {key}='a.pth'" in message


# Through the command lines: tool, arguments with the file, kind, key.
TRAIN = ('train.py', DISTILLATION, '--work-dir', '{work_dir}')
OPTIONS = ('--cfg-options', *data_options(), *training_options())
TOOLS = [
    ((*TRAIN, '--resume', '{path}', *OPTIONS), 'html', '--resume'),
    ((*TRAIN, '--resume', '{path}', *OPTIONS), 'truncated', '--resume'),
    ((*TRAIN, '--resume', '{path}', *OPTIONS), 'no weights', '--resume'),
    (
        (*TRAIN, '--student-ckpt', '{path}', '--no-check', *OPTIONS),
        'git lfs',
        'model.student_ckpt',
    ),
    ((*TRAIN, *OPTIONS, 'load_from={path}'), 'json', 'load_from'),
    (('test.py', DISTILLATION, '{path}'), 'empty', 'checkpoint'),
    (
        ('export_student.py', DISTILLATION, '{path}', '--out', '{out}'),
        'folder',
        'checkpoint',
    ),
    (('publish_checkpoint.py', '{path}', '{out}'), 'torch script', None),
    (
        ('check_config.py', DISTILLATION, '--teacher-ckpt', '{path}'),
        'safetensors',
        'model.teacher_ckpt',
    ),
    (
        ('check_config.py', DISTILLATION, '--teacher-ckpt', '{path}'),
        'folder',
        '--teacher-ckpt',
    ),
    (
        (
            'visualize_activation.py',
            DISTILLATION,
            '{path}',
            'docs/images/quickstart.png',
            '--out',
            '{out}',
        ),
        'half',
        'checkpoint',
    ),
]


# Seconds each, for what rows above show in this process.
SLOW = {
    ('train.py', 'truncated'),
    ('train.py', 'no weights'),
    ('check_config.py', 'folder'),
}


@pytest.mark.parametrize(
    'command, name, key',
    [
        pytest.param(
            *row,
            id=f'{row[0][0]}-{row[1]}',
            marks=[pytest.mark.slow] * ((row[0][0], row[1]) in SLOW),
        )
        for row in TOOLS
    ],
)
def test_tools_end_before_the_first_iteration(
    command, name, key, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    path, words = bad_files.write(name, tmp_path)
    places = dict(
        path=path, out=tmp_path / 'out.pth', work_dir=tmp_path / 'work_dir'
    )
    arguments = [str(part).format(**places) for part in command]
    code, output = fork_tool_unchecked(*arguments)
    assert code != 0
    assert f'{key or "checkpoint"}' in output and str(path) in output
    reader = 'train --resume' if '--resume' in command else ''
    assert expected_words(name, reader, words) in output
    assert 'expected' in output.lower()
    assert 'Epoch(train)' not in output
    assert not (tmp_path / 'out.pth').exists()


def test_comma_on_the_command_line_and_in_a_config(tmp_path):
    config = tmp_path / 'tuple.py'
    config.write_text(
        "_base_ = ['cankd_mm::digits/cankd_retinanet.py']\n"
        "ckpt = 'configs/digits/teacher_retinanet.pth',\n"
        'model = dict(teacher_ckpt=ckpt)\n'
    )
    for rest, key in (
        ([config, '--no-check'], 'model.teacher_ckpt'),
        ([DISTILLATION, '--cfg-options', 'load_from=a.pth,'], 'load_from'),
    ):
        code, output = fork_tool_unchecked(
            'train.py', *rest, '--work-dir', tmp_path / 'work_dir'
        )
        assert code != 0 and f'remove the comma, {key}=' in output
        assert 'Epoch(train)' not in output


def test_flipped_bytes_of_a_teacher_do_not_train(tmp_path):
    """2,000 bytes of the weights, which torch loads silently."""
    teacher = tmp_path / 'teacher.pth'
    teacher.write_bytes(
        (ROOT / 'configs/digits/teacher_retinanet.pth').read_bytes()
    )
    bad_files.flip_bytes(teacher, 2000)
    torch.load(teacher, weights_only=True)
    for check in ([], ['--no-check']):
        code, output = fork_tool_unchecked(
            *[part.format(work_dir=tmp_path / 'work_dir') for part in TRAIN],
            *('--teacher-ckpt', teacher, *check, *OPTIONS),
        )
        assert code != 0
        assert 'model.teacher_ckpt' in output
        assert f'{str(teacher)!r} is a damaged checkpoint' in output
        assert 'Epoch(train)' not in output


def test_count(capsys):
    kinds = {name for name, _ in ROWS}
    with capsys.disabled():
        print(
            f'\nbad files: {len(kinds)} kinds, {len(KEYS)} readers, '
            f'{len(ROWS)} rows, {len(TOOLS)} more through the tools'
        )
    assert len(kinds) >= 30 and len(ROWS) >= 200 and len(TOOLS) >= 11
    assert all(Path(ROOT / 'tools' / c[0]).is_file() for c, _, _ in TOOLS)
