"""``tools/check_config.py``, and the same checks before training."""

import sys

import pytest

from tests.commands import ROOT, run_unchecked
from tests.digits_run import DISTILLATION
from tests.forked_tools import fork_tool_unchecked

CONFIGS = sorted(
    path
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
)
TEACHER_WEIGHTS = 'configs/digits/teacher_retinanet.pth'
NAMELESS = """
_base_ = '{base}'
distiller = _base_.distiller
losses = distiller.distill_losses
losses.cankd = losses.pop('loss_cankd')
mappings = distiller.loss_forward_mappings
mappings.cankd = mappings.pop('loss_cankd')
model = dict(distiller=dict(_delete_=True, **distiller))
"""
SHORT = [
    '--cfg-options',
    'train_cfg.max_epochs=1',
    'train_dataloader.dataset.indices=4',
    'val_dataloader.dataset.indices=4',
    'train_dataloader.batch_size=4',
    'default_hooks.logger.interval=1',
]


@pytest.fixture
def nameless(tmp_path):
    """A distillation whose loss has no 'loss' in its name."""
    path = tmp_path / 'nameless.py'
    path.write_text(NAMELESS.format(base=ROOT / DISTILLATION))
    return path


@pytest.mark.parametrize(
    'path', CONFIGS, ids=lambda p: str(p.relative_to(ROOT / 'configs'))
)
def test_zoo_is_without_a_fault(path, check_config, capsys):
    assert check_config([str(path), '--verbose']) == 0
    output = capsys.readouterr().out
    assert 'no faults found' in output
    assert 'could not be made' not in output


def test_zoo_is_not_empty():
    assert len(CONFIGS) > 90


def test_clean_config_ends_with_0_and_says_nothing_of_it(
    check_config, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    assert check_config([DISTILLATION]) == 0
    output = capsys.readouterr().out
    assert output == '1 config checked, no faults found\n'


def test_fault_ends_with_1(nameless):
    code, output = run_unchecked(
        sys.executable, 'tools/check_config.py', DISTILLATION, nameless
    )
    assert code == 1, output
    assert DISTILLATION not in output and str(nameless) in output
    assert 'distill_losses.cankd' in output
    assert output.splitlines()[-1] == '2 configs checked, 1 fault found'


def test_unreadable_config_ends_with_2(nameless, check_config, capsys):
    assert check_config([str(nameless), 'no/where.py']) == 2
    output = capsys.readouterr().out
    assert 'no/where.py\n  cannot be read' in output
    assert 'distill_losses.cankd' in output
    assert output.endswith(
        '1 config checked, 1 fault found, 1 cannot be read\n'
    )


def test_missing_teacher_weights_are_no_unreadable_config(
    check_config, capsys
):
    with pytest.raises(SystemExit) as stop:
        check_config([str(ROOT / DISTILLATION), '--teacher-ckpt', 'no.pth'])
    assert stop.value.code == 2
    output = ''.join(capsys.readouterr())
    assert "--teacher-ckpt='no.pth': there is no file" in output
    assert 'cannot be read' not in output


@pytest.mark.parametrize(
    'arguments', [[], [DISTILLATION, '--gpus', '0'], ['--unknown']]
)
def test_bad_usage_ends_with_2(arguments, check_config):
    with pytest.raises(SystemExit) as stop:
        check_config(arguments)
    assert stop.value.code == 2


def test_options_change_every_config(check_config, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    option = 'model.architecture.bbox_head.num_classes=80'
    configs = [DISTILLATION, 'configs/digits/tat_retinanet.py']
    assert check_config([*configs, '--cfg-options', option]) == 1
    output = capsys.readouterr().out
    assert output.count('bbox_head.num_classes: 80; expected 10') == 2


def test_teacher_option_needs_a_teacher(check_config, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    plain = 'configs/digits/baseline_retinanet.py'
    assert check_config([plain, '--teacher-ckpt', TEACHER_WEIGHTS]) == 2
    assert 'the config has no teacher' in capsys.readouterr().out


def test_mmrazors_config_of_a_package_is_read(check_config, capsys):
    config = (
        'mmrazor::distill/mmdet/pkd/'
        'pkd_fpn_mask-rcnn_swin_retina_r50_2x_coco.py'
    )
    # Its first level has stride 4 in the teacher, 8 in the student.
    assert check_config([config]) == 1
    output = capsys.readouterr().out
    assert 'strides 8 of the student (neck) and 4 of the teacher' in output


def test_faulty_config_does_not_train_unless_told_to(nameless, tmp_path):
    arguments = ['train.py', nameless, '--work-dir', tmp_path / 'run']
    code, output = fork_tool_unchecked(*arguments, *SHORT)
    assert code == 1
    assert 'FaultyConfigError' in output and '--no-check' in output
    assert 'model.distiller.distill_losses.cankd' in output
    # The other findings are told, too.
    assert 'made for 16 images a step; this run has 4' in output
    assert 'Epoch(train)' not in output
    code, output = fork_tool_unchecked(*arguments, '--no-check', *SHORT)
    assert code == 0, output[-3000:]
    assert 'Epoch(train) [1][1/1]' in output
    assert 'distill.cankd: ' in output
