"""Parts that are changed after the model was put together are found."""

import pytest

from tests.commands import ROOT
from tests.test_config_checks.conftest import DETECTOR

WEIGHT = 'distiller.distill_losses.loss_cankd.loss_weight'
CHILD_WEIGHT = (
    'distiller = dict(distill_losses=dict(loss_cankd=dict(loss_weight=0.5)))'
)
CSKD = 'configs/cskd/cskd_retinanet-r101_retinanet-pvt-t_1x_voc0712.py'
MMRAZOR = 'mmrazor::distill/mmdet/pkd/pkd_fpn_retina_x101_retina_r50_2x_coco'


@pytest.mark.parametrize(
    'option, found',
    [
        (f'{WEIGHT}=0.5', f'{WEIGHT}: 0.5'),
        ('teacher_ckpt=nowhere.pth', "teacher_ckpt: 'nowhere.pth'"),
        ('teacher.cfg_path=x.py', "teacher.cfg_path: 'x.py'"),
        ('dry_run_size=32', 'dry_run_size: 32'),
    ],
)
def test_option_that_comes_too_late(lint, option, found):
    _, (finding,) = lint('', '--cfg-options', option)
    key = option.partition('=')[0]
    assert finding.startswith(f'error    {found} is not used')
    assert f'expected model.{key}. Write model.{key}=... on' in finding


@pytest.mark.parametrize(
    'body, found',
    [
        (CHILD_WEIGHT, f'{WEIGHT}: 0.5'),
        (
            '_base_.distiller.distill_losses.loss_cankd.loss_weight = 0.5\n'
            'distiller = _base_.distiller',
            f'{WEIGHT}: 0.5',
        ),
        ("teacher_ckpt = 'mine.pth'", "teacher_ckpt: 'mine.pth'"),
    ],
)
def test_child_that_comes_too_late(lint, body, found):
    _, (finding,) = lint(body)
    assert finding.startswith(f'error    {found} is not used')


def test_grandparent_that_came_too_late(lint, tmp_path):
    child = tmp_path / 'child.py'
    child.write_text(f'_base_ = {str(ROOT / DETECTOR)!r}\n{CHILD_WEIGHT}')
    _, (finding,) = lint('optim_wrapper = dict()', base=child)
    assert finding.startswith(f'error    {WEIGHT}: 0.5 is not used')
    # What is set where it counts makes the former no matter.
    assert lint('', '--cfg-options', f'model.{WEIGHT}=0.7', base=child) == (
        0,
        [],
    )


@pytest.mark.parametrize(
    'body',
    [
        f'model = dict({CHILD_WEIGHT.replace("distiller = ", "distiller=")})',
        f'{CHILD_WEIGHT}\nmodel = dict({CHILD_WEIGHT})'.replace(
            'dict(distiller = ', 'dict(distiller='
        ),
        'distiller = _base_.distiller\n'
        'distiller.distill_losses.loss_cankd.loss_weight = 0.5\n'
        'model = dict(distiller=distiller)',
    ],
)
def test_child_that_changes_the_model_is_no_fault(lint, body):
    assert lint(body) == (0, [])


@pytest.mark.parametrize(
    'options',
    [
        ('--cfg-options', f'model.{WEIGHT}=0.5'),
        ('--cfg-options', f'{WEIGHT}=0.5', f'model.{WEIGHT}=0.5'),
        ('--teacher-ckpt', 'configs/digits/teacher_retinanet.pth'),
    ],
)
def test_command_line_that_changes_the_model_is_no_fault(lint, options):
    assert lint('', *options) == (0, [])


@pytest.mark.parametrize('where', ['body', 'option'])
def test_classes_that_the_model_follows_are_no_fault(lint, where):
    if where == 'body':
        found = lint("classes = ('a', 'b')", base=CSKD)
    else:
        found = lint('', '--cfg-options', 'classes=a,b', base=CSKD)
    assert found == (0, [])


def test_classes_hide_no_late_change(lint):
    key = 'distiller.distill_losses.loss_cskd.loss_weight'
    _, (finding,) = lint(
        '', '--cfg-options', 'classes=a,b', f'{key}=0.5', base=CSKD
    )
    assert finding.startswith(f'error    {key}: 0.5 is not used')


def test_mmrazors_config_as_base(check_config, tmp_path, capsys):
    config = tmp_path / 'child.py'
    config.write_text(
        f"_base_ = '{MMRAZOR}.py'\nteacher_ckpt = 'https://x.org/a.pth'\n"
        'model = dict(teacher_ckpt=teacher_ckpt)\n'
    )
    check_config([str(config)])
    assert 'is not used' not in capsys.readouterr().out
    config.write_text(
        f"_base_ = '{MMRAZOR}.py'\nteacher_ckpt = 'https://x.org/a.pth'\n"
    )
    assert check_config([str(config)]) == 1
    assert 'is not used' in capsys.readouterr().out
