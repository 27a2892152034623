"""The weights that training starts from can be read, and reach the model."""

import os

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from tests import bad_files
from tests.commands import ROOT
from tests.digits_run import PLAIN

STUDENT = str(ROOT / 'configs/digits/teacher_retinanet.py')
KEYS = {
    'load_from': 'load_from = {path!r}',
    'model.student_ckpt': 'model = dict(student_ckpt={path!r})',
    'model.teacher_ckpt': 'model = dict(teacher_ckpt={path!r})',
}
PRETRAINED = "init_cfg=dict(type='Pretrained', checkpoint={path!r})"
TEACHER_KEY = 'model.teacher.init_cfg.checkpoint'
BACKBONE_KEY = 'model.architecture.backbone.init_cfg.checkpoint'
# Not read where model.teacher_ckpt and model.student_ckpt are given.
UNUSED = (TEACHER_KEY, BACKBONE_KEY, 'model.architecture.pretrained')
TEACHER_BODY = f'model = dict(teacher=dict({PRETRAINED}))'
BACKBONE_BODY = f'model = dict(architecture=dict(backbone=dict({PRETRAINED})))'
EVERY_KEY = f"""
load_from = {{path!r}}
model = dict(
    student_ckpt={{path!r}},
    teacher_ckpt={{path!r}},
    teacher=dict({PRETRAINED}),
    architecture=dict(pretrained={{path!r}}, backbone=dict({PRETRAINED})),
)
"""


class Marks:
    """Pickles as a call that leaves a folder behind."""

    def __init__(self, folder) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture(scope='module')
def student_state():
    """Weights of the student of the digits' detector."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(Config.fromfile(ROOT / PLAIN).model)
    return model.state_dict()


def save(path, state) -> str:
    torch.save(dict(state_dict=state), path)
    return str(path)


def distillation(state) -> dict:
    return {f'architecture.{key}': value for key, value in state.items()}


@pytest.fixture
def every_key(lint):
    """Name one path under every key and return the first errors, by key."""

    def run(path, unused: tuple[str, ...] = ()) -> dict[str, str]:
        _, findings = lint(EVERY_KEY.format(path=path))
        pairs = [
            line.removeprefix('error    ').split(': ', 1)
            for line in findings
            # No RetinaNet takes `pretrained`, another fault.
            if line.startswith('error') and 'cannot be built' not in line
        ]
        found = dict(reversed(pairs))
        assert found.keys() >= {*KEYS, *UNUSED} - {*unused}
        assert not found.keys() & {*unused}
        return found

    return run


def test_file_that_is_not_there(every_key):
    for text in every_key('no/where.pth', unused=UNUSED).values():
        assert text.startswith("'no/where.pth': there is no file no/where.pth")


def test_file_that_is_something_else(every_key, tmp_path):
    path, words = bad_files.write('html', tmp_path)
    for text in every_key(str(path)).values():
        assert text.startswith(f'{str(path)!r} is {words}')
        assert 'expected a checkpoint' in text and 'Download' in text


def test_file_that_is_damaged(every_key, tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(bad_files.checkpoint_bytes())
    bad_files.flip_bytes(path)
    for text in every_key(str(path)).values():
        assert text.startswith(f'{str(path)!r} is a damaged checkpoint')


def test_file_that_holds_code(every_key, tmp_path):
    path, ran = tmp_path / 'a.pth', tmp_path / 'ran'
    torch.save(dict(state_dict={}, meta=Marks(ran)), path)
    for text in every_key(str(path)).values():
        assert '.mkdir' in text and str(path) in text
    assert not ran.exists()


def test_comma_behind_the_path(every_key):
    for key, text in every_key(('a.pth',)).items():
        assert text.startswith("('a.pth',) is a tuple of one path")
        assert f"remove the comma, {key}='a.pth'" in text


def test_comma_on_the_command_line_is_understood(lint):
    # MMEngine reads `a,` as a list.
    _, (finding,) = lint('', '--cfg-options', 'load_from=a.pth,')
    assert finding.startswith("error    load_from: ['a.pth'] is a list of one")


def test_cached_address_is_read(lint, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints' / 'mine.pth').write_text('<html>')
    for key in ('load_from', 'model.student_ckpt'):
        url = 'https://example.org/mine.pth'
        _, (finding,) = lint(KEYS[key].format(path=url))
        assert finding.startswith(f'error    {key}: ')
        assert 'an HTML page' in finding


# ------------------------------------------------------- what reaches a model


def test_distillation_from_a_plain_student(lint, tmp_path, student_state):
    path = save(tmp_path / 'a.pth', student_state)
    assert lint(f'load_from = {path!r}', '--verbose') == (0, [])


def test_algorithm_of_mmrazor_from_a_plain_student(
    lint, tmp_path, student_state
):
    path = save(tmp_path / 'a.pth', student_state)
    body = f"""
load_from = {path!r}
model = dict(type='mmrazor.SingleTeacherDistill')
"""
    _, findings = lint(body)
    found = [line for line in findings if 'load_from' in line]
    assert found[0].startswith(f'error    load_from: {path!r} holds a plain ')


def test_distillation_from_a_distillation(lint, tmp_path, student_state):
    path = save(tmp_path / 'a.pth', distillation(student_state))
    assert lint(f'load_from = {path!r}', '--verbose') == (0, [])


def test_plain_model_from_a_distillation(lint, tmp_path, student_state):
    path = save(tmp_path / 'a.pth', distillation(student_state))
    _, (finding,) = lint(f'load_from = {path!r}', base=PLAIN)
    assert finding.startswith('error    load_from: ')
    assert 'tools/export_student.py' in finding


def test_plain_model_from_a_distilled_student(lint, tmp_path, student_state):
    state = {**student_state, 'distiller.a': torch.ones(1)}
    path = save(tmp_path / 'a.pth', state)
    assert lint(f'load_from = {path!r}', base=PLAIN) == (0, [])


def test_plain_model_from_its_own_weights(lint, tmp_path, student_state):
    path = save(tmp_path / 'a.pth', student_state)
    assert lint(f'load_from = {path!r}', '--verbose', base=PLAIN) == (0, [])


@pytest.mark.parametrize('prefix', ['', 'architecture.'])
def test_student_ckpt_that_fits(lint, tmp_path, student_state, prefix):
    state = {f'{prefix}{key}': value for key, value in student_state.items()}
    path = save(tmp_path / 'a.pth', state)
    body = f'model = dict(student_ckpt={path!r})'
    assert lint(body, '--verbose') == (0, [])


def test_student_ckpt_with_another_head_is_reported(
    lint, tmp_path, student_state
):
    state = dict(student_state)
    state['bbox_head.retina_cls.weight'] = torch.zeros(3, 7, 3, 3)
    path = save(tmp_path / 'a.pth', state)
    body = f'model = dict(student_ckpt={path!r})'
    assert lint(body) == (0, [])
    _, (first, second) = lint(body, '--verbose')
    assert first.startswith('info     model.student_ckpt: ')
    assert '1 mis-shaped' in first and 'retina_cls.weight' in second


@pytest.mark.parametrize('key', ['load_from', 'model.student_ckpt'])
def test_weights_of_another_model(lint, tmp_path, student_state, key):
    state = {name: torch.zeros(3, 1, 2) for name in student_state}
    path = save(tmp_path / 'a.pth', state)
    _, (finding, *_) = lint(KEYS[key].format(path=path))
    assert finding.startswith(f'error    {key}: ')
    assert 'expected weights of model.architecture' in finding


@pytest.mark.parametrize(
    'key', ['load_from', 'model.student_ckpt', 'model.teacher_ckpt']
)
def test_weights_that_are_not_finite(lint, tmp_path, student_state, key):
    state = dict(student_state)
    name = 'backbone.conv1.weight'
    if key == 'model.teacher_ckpt':
        state = dict(torch.load(STUDENT[:-3] + '.pth')['state_dict'])
        name = next(iter(state))
    state[name] = state[name].clone()
    state[name].view(-1)[0] = torch.nan
    size = state[name].numel()
    if key == 'load_from':
        state = distillation(state)
    path = save(tmp_path / 'a.pth', state)
    _, (finding,) = lint(KEYS[key].format(path=path))
    assert finding.startswith(f'error    {key}: ')
    assert f'{name} (1 NaN of {size})' in finding


@pytest.mark.parametrize('key', ['model.student_ckpt', 'model.teacher_ckpt'])
def test_weights_that_the_model_lacks_may_be_nan(
    lint, tmp_path, student_state, key
):
    state = dict(student_state)
    if key == 'model.teacher_ckpt':
        state = dict(torch.load(STUDENT[:-3] + '.pth')['state_dict'])
    state['auxiliary_head.weight'] = torch.full((2,), torch.nan)
    path = save(tmp_path / 'a.pth', state)
    assert lint(KEYS[key].format(path=path)) == (0, [])


def test_infinite_teacher_without_a_weight_is_a_warning(lint, tmp_path):
    state = torch.load(STUDENT[:-3] + '.pth')['state_dict']
    next(iter(state.values())).fill_(torch.inf)
    path = save(tmp_path / 'a.pth', state)
    body = f'model = dict(teacher_ckpt={path!r}, distill_weight=0)'
    _, (finding,) = lint(body)
    assert finding.startswith('warning  model.teacher_ckpt: ')


# ---------------------------------------------------- what is left out


def test_weights_of_a_part_of_the_teacher_are_not_used(lint, tmp_path):
    path = save(tmp_path / 'a.pth', dict(weight=torch.zeros(1)))
    body = TEACHER_BODY.format(path=path)
    assert lint(body) == (0, [])
    _, (finding,) = lint(body, '--verbose')
    assert finding == (
        f'info     {TEACHER_KEY}: {path!r} is not used: '
        "the teacher's weights come from model.teacher_ckpt"
    )


def test_weights_of_a_part_of_the_student_are_not_used(
    lint, tmp_path, student_state
):
    path = save(tmp_path / 'a.pth', student_state)
    body = BACKBONE_BODY.format(path=path)
    assert lint(body, '--verbose') == (0, [])
    _, (finding,) = lint(
        body, '--verbose', '--cfg-options', f'model.student_ckpt={path}'
    )
    assert finding.startswith(f'info     {BACKBONE_KEY}: {path!r} is')
    assert 'model.student_ckpt' in finding


def test_file_that_is_not_used_may_be_missing(lint, tmp_path, student_state):
    path = save(tmp_path / 'a.pth', student_state)
    for body, key, used in (
        (TEACHER_BODY, TEACHER_KEY, 'model.teacher_ckpt'),
        (BACKBONE_BODY, BACKBONE_KEY, 'model.student_ckpt'),
    ):
        body = body.format(path='/home/other/a.pth')
        option = 'model.student_ckpt=' + path
        assert lint(body, '--cfg-options', option) == (0, [])
        _, findings = lint(body, '--verbose', '--cfg-options', option)
        (finding,) = [f for f in findings if key in f]
        assert finding.startswith(
            f'info     {key}: there is no file /home/other/a.pth: '
        )
        assert finding.endswith(f'weights come from {used}')


def test_missing_file_that_is_used_is_an_error(lint):
    _, findings = lint(BACKBONE_BODY.format(path='/home/other/a.pth'))
    assert findings[0].startswith(f'error    {BACKBONE_KEY}: ')


def test_resumed_checkpoint_is_left_to_resuming(lint, tmp_path, student_state):
    path = save(tmp_path / 'a.pth', student_state)
    assert lint(f'load_from = {path!r}\nresume = True') == (0, [])


def test_a_folder_is_resumed_by_runners_that_can_read_one(lint, tmp_path):
    body = f'load_from = {str(tmp_path)!r}\nresume = True\n'
    _, findings = lint(body)
    assert findings[0].startswith('error    load_from: ')
    _, findings = lint(f"{body}runner_type = 'FlexibleRunner'")
    assert not [f for f in findings if 'load_from' in f]
