"""What could not be checked is listed, and never reads as without a fault."""

import pytest

from cankd_mm.config_checks import Severity, check_config, dry_forward
from cankd_mm.config_checks import checks as all_checks
from cankd_mm.utils.config_file import config_from_file
from tests import tiny_models
from tests.commands import ROOT

DIGITS = ROOT / 'configs/digits/cankd_retinanet.py'
MODULE = """
import torch
from mmdet.models import RetinaNet
from mmdet.registry import MODELS


@MODELS.register_module(force=True)
class {name}(RetinaNet):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        {build}

    def extract_feat(self, inputs):
        {run}
        return super().extract_feat(inputs)
"""
PASS = 'pass'
READ = 'torch.ones(1).mul(inputs.mean()).item()'
READ_WEIGHT = 'self.bbox_head.retina_cls.weight.mean().item()'


@pytest.fixture
def checked(check_config, tmp_path, capsys, monkeypatch):
    """Check a config; return exit code and output."""
    monkeypatch.chdir(tmp_path)

    def run(text: str, *options: str) -> tuple[int, str]:
        file = tmp_path / 'pair.py'
        file.write_text(text)
        return check_config([str(file), *options]), capsys.readouterr().out

    return run


def summary(output: str) -> str:
    return output.splitlines()[-1]


def body(pair, *imports: str) -> str:
    return (
        "default_scope = 'mmdet'\n"
        f'custom_imports = dict(imports={["cankd_mm", *imports]!r})\n'
        f'model = {pair.to_dict()!r}'
    )


@pytest.fixture
def pair_of(tmp_path, monkeypatch):
    """Write a student of a class of its own, and return its config's text."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, build: str = PASS, run: str = PASS, **kwargs) -> str:
        module = f'models_of_{name.lower()}'
        text = MODULE.format(name=name, build=build, run=run)
        (tmp_path / f'{module}.py').write_text(text)
        pair = tiny_models.retinanet_pair(**kwargs)
        pair.architecture.type = name
        return body(pair, module)

    return make


def test_weights_at_an_address(checked):
    url = 'https://example.com/a/teacher-1234.pth'
    code, output = checked(body(tiny_models.retinanet_pair(teacher_ckpt=url)))
    assert code == 0
    assert f'  not checked model.teacher_ckpt: the weights at {url}' in output
    assert summary(output) == (
        '1 config checked, no fault in what was checked, 1 not checked '
        '(see above)'
    )


@pytest.mark.parametrize('key', ['load_from', 'model.student_ckpt'])
def test_weights_of_the_student_at_an_address(key, checked):
    code, output = checked(
        f'_base_ = {str(DIGITS)!r}',
        '--cfg-options',
        f'{key}=https://example.com/student-1234.pth',
    )
    assert code == 0 and f'  not checked {key}: the weights at' in output
    assert 'no faults found' not in output


def test_loss_on_what_only_the_loss_of_the_student_runs(checked):
    pair = tiny_models.fcn_pair()
    auxiliary = dict(pair.architecture.decode_head)
    pair.architecture.auxiliary_head = auxiliary
    pair.distiller.student_recorders = dict(
        features=dict(type='ModuleOutputs', source='auxiliary_head.convs.0')
    )
    code, output = checked(body(pair))
    assert code == 0
    key = 'model.distiller.distill_losses.loss_distill'
    assert f'  not checked {key}: it records what only the loss' in output


def test_no_dry_run(checked):
    code, output = checked(body(tiny_models.retinanet_pair(dry_run_size=None)))
    assert code == 0
    assert '  not checked model.dry_run_size: None' in output


def test_model_that_reads_values_runs_on_the_cpu(pair_of, checked):
    code, output = checked(pair_of('ReadsValues', run=READ))
    assert (code, output) == (0, '1 config checked, no faults found\n')


def test_fault_of_a_model_that_reads_values(pair_of, checked):
    loss = dict(type='mmrazor.CanKDLoss', in_channels=48)
    code, output = checked(pair_of('ReadsValues', run=READ, loss=loss))
    assert code == 1
    assert 'distill_losses.loss_distill: does not fit' in output


def test_model_that_is_too_large_for_the_cpu(pair_of, checked, monkeypatch):
    monkeypatch.setattr(dry_forward, '_MOST_PARAMETERS', 1000)
    code, output = checked(pair_of('ReadsValues', run=READ))
    assert code == 0
    assert '  not checked model.distiller: whether it starts' in output
    assert 'million parameters, too many' in output
    assert 'no faults found' not in output


def test_model_that_needs_values_to_be_built(pair_of, checked):
    text = pair_of('BuildsOfValues', build=READ_WEIGHT)
    code, output = checked(text)
    assert code == 0
    assert (
        '  not checked model.architecture: operators, features and '
        'checkpoints of the student' in output
    )
    # The pair itself was tried on the CPU.
    assert 'model.distiller' not in output


def test_distiller_with_rules_of_its_own(checked):
    pair = tiny_models.retinanet_pair(
        type='mmrazor.OverhaulFeatureDistillation'
    )
    pair.pop('allow_random_teacher')
    pair.pop('dry_run_size')
    _, output = checked(body(pair))
    assert '  not checked model.distiller: whether its features fit' in output


def test_check_that_fails(checked, monkeypatch):
    def fails(examined):
        raise RuntimeError('of no reason')

    monkeypatch.setattr(all_checks, 'CHECKS', (fails,))
    code, output = checked(f'_base_ = {str(DIGITS)!r}')
    assert code == 0
    assert '  not checked config: the check test_not_checked could not be' in (
        output
    )


def test_fault_beside_what_is_not_checked(checked):
    pair = tiny_models.retinanet_pair(
        teacher_ckpt='https://example.com/t-1234.pth', distil_weight=1
    )
    code, output = checked(body(pair))
    assert code == 1
    assert summary(output) == (
        '1 config checked, 1 fault found, 1 not checked (see above)'
    )


def test_training_goes_on_and_tries_the_pair_itself(monkeypatch):
    """Its dry run sees the same with the weights."""
    cfg = config_from_file(DIGITS, 'config')
    cfg.model.dry_run_size = None
    cfg.model.student_ckpt = 'https://example.com/student-1234.pth'
    findings = check_config(cfg)
    assert {f.key for f in findings if f.severity > Severity.INFO} == {
        'model.student_ckpt'
    }
    assert not any(f.severity.is_fault for f in findings)
