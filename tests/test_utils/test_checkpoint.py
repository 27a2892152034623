"""Loading says what it did, and what did not fit."""

from urllib.error import URLError

import pytest
import torch
from torch import nn

from cankd_mm.utils.checkpoint import (
    UnreadableCheckpointError,
    find_checkpoint,
    load_state,
    load_weights,
    read_checkpoint,
    student_state_dict,
    weights_of,
)
from cankd_mm.utils.config_path import resolve_path


def _model(width: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width))


def test_everything_matches():
    report = load_state(_model(), _model().state_dict(), 'here')
    assert report.coverage == 1
    assert not (report.missing or report.unexpected or report.mis_shaped)
    assert str(report).startswith('here: 6 matched, 0 missing')


def test_missing_unexpected_and_mis_shaped_keys_are_told_apart():
    model, state = _model(), _model().state_dict()
    kept = model[0].weight.detach().clone()
    state['0.weight'] = torch.zeros(5, 3, 1, 1)
    state['2.weight'] = torch.zeros(1)
    del state['1.running_mean']
    report = load_state(model, state, 'here')
    assert report.mis_shaped == [('0.weight', (5, 3, 1, 1), (4, 3, 1, 1))]
    assert report.missing == ['1.running_mean']
    assert report.unexpected == ['2.weight']
    assert torch.equal(model[0].weight, kept)
    assert report.offenders(2).splitlines() == [
        '  mis-shaped 0.weight: checkpoint (5, 3, 1, 1), model (4, 3, 1, 1)',
        '  missing 1.running_mean',
    ]


def test_coverage_is_the_smaller_of_numbers_and_tensors():
    model, state = _model(), _model().state_dict()
    del state['1.weight']  # 4 of 32 numbers, 1 of 6 tensors
    assert load_state(model, dict(state), '').coverage == 5 / 6
    state = _model().state_dict()
    del state['0.weight']  # 12 of 32 numbers
    assert load_state(model, state, '').coverage == 20 / 32


def test_scalars_of_other_shape_are_reported():
    module = nn.Module()
    module.scale = nn.Parameter(torch.tensor(1.0))
    report = load_state(module, dict(scale=torch.zeros(2, 2)), '')
    assert report.mis_shaped == [('scale', (2, 2), ())]


class Renames(nn.Module):
    """Loads old checkpoints, as FCOS's head does."""

    def __init__(self) -> None:
        super().__init__()
        self.new = nn.Linear(2, 3)
        self.other = nn.Linear(2, 2)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        for name in ('weight', 'bias'):
            if f'{prefix}old.{name}' in state_dict:
                value = state_dict.pop(f'{prefix}old.{name}')
                state_dict[f'{prefix}new.{name}'] = value
        super()._load_from_state_dict(state_dict, prefix, *args)


def test_a_renamed_key_of_other_shape_is_reported():
    model = Renames()
    other = torch.full((2, 2), 7.0)
    state = {
        'old.weight': torch.zeros(5, 2),
        'old.bias': torch.zeros(5),
        'other.weight': other,
        'unknown': other,
    }
    report = load_state(model, state, 'x')
    assert report.mis_shaped == [
        ('new.weight', (5, 2), (3, 2)),
        ('new.bias', (5,), (3,)),
    ]
    assert report.missing == ['other.bias']
    assert report.unexpected == ['unknown']
    assert torch.equal(model.other.weight, other)
    assert not model._load_state_dict_post_hooks


def test_missing_file_of_a_training_run_names_the_config_that_makes_it():
    path = 'work_dirs/retinanet-r101_1x_voc0712/epoch_0.pth'
    with pytest.raises(FileNotFoundError) as error:
        read_checkpoint(path, 'model.teacher_ckpt')
    message = str(error.value)
    assert message.startswith(f'model.teacher_ckpt={path!r}: there is no file')
    assert 'retinanet-r101_1x_voc0712.py writes this file' in message
    assert 'configs/teachers' in message


def test_missing_file_from_elsewhere_is_an_error_without_advice_to_train():
    with pytest.raises(FileNotFoundError) as error:
        read_checkpoint('nowhere/epoch_1.pth', 'model.teacher_ckpt')
    assert 'train it first' not in str(error.value)


def test_address_without_network_names_key_address_cause_and_remedy(
    monkeypatch, tmp_path
):
    def no_network(*_, **__):
        raise URLError('no route to host')

    monkeypatch.setattr('torch.hub.urlopen', no_network)
    monkeypatch.setattr('torch.hub.get_dir', lambda: str(tmp_path))
    url = 'https://example.org/teacher.pth'
    with pytest.raises(ConnectionError) as error:
        read_checkpoint(url, 'model.teacher_ckpt')
    message = str(error.value)
    assert message.startswith(f'model.teacher_ckpt={url!r} cannot be')
    assert 'no route to host' in message
    assert '--teacher-ckpt PATH' in message
    assert str(tmp_path / 'checkpoints') in message


def test_too_little_coverage_is_an_error(tmp_path):
    torch.save(dict(state_dict=_model().state_dict()), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='expected at least 99 %'):
        load_weights(_model(5), str(tmp_path / 'a.pth'), 'model.x', 0.99)


@pytest.mark.parametrize('wrap', ['state_dict', 'model', None])
def test_wrapped_and_bare_state_dicts_are_read(tmp_path, wrap):
    state = {f'module.{k}': v for k, v in _model().state_dict().items()}
    path = tmp_path / 'a.pth'
    torch.save({wrap: state} if wrap else state, path)
    found = weights_of(read_checkpoint(str(path), 'key'), str(path), 'key')
    assert found.keys() == _model().state_dict().keys()


def test_file_without_weights_is_an_error(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(meta=dict(epoch=1)), path)
    with pytest.raises(ValueError, match='holds no weights'):
        load_weights(_model(), str(path), 'model.teacher_ckpt')


@pytest.mark.parametrize(
    'content, words',
    [
        (dict(meta={}, hooks={}), 'holds no weights (its keys: meta, hooks)'),
        (dict(), 'holds no weights (it is empty)'),
        (['a'], 'holds no weights (it is a list)'),
        (dict(state_dict=dict(a=1)), 'holds no weights (its keys: state_dict'),
    ],
)
def test_content_of_a_file_without_weights_is_named(tmp_path, content, words):
    path = str(tmp_path / 'a.pth')
    with pytest.raises(UnreadableCheckpointError) as error:
        weights_of(content, path, 'checkpoint')
    assert str(error.value).startswith(f'checkpoint={path!r} is a file that')
    assert words in str(error.value)


class Code:
    """Pickles as a call."""

    def __reduce__(self):
        return print, ()


def test_refusal_of_code_names_the_key(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(meta=Code()), path)
    with pytest.raises(ValueError) as error:
        read_checkpoint(str(path), '--resume')
    assert type(error.value).__name__ == 'UnsafeCheckpointError'
    assert str(error.value).startswith(f'--resume: checkpoint {str(path)!r} ')


@pytest.mark.parametrize('path', [('a.pth',), ['a.pth']])
def test_a_comma_behind_a_path_is_named(path):
    for find in (find_checkpoint, read_checkpoint, resolve_path):
        with pytest.raises(ValueError) as error:
            find(path, 'model.teacher_ckpt')
        assert str(error.value).endswith(
            "remove the comma, model.teacher_ckpt='a.pth'"
        )


@pytest.mark.parametrize('path', [3, None, dict(a=1), ('a', 'b'), ()])
def test_what_is_no_path_is_an_error_with_its_type(path):
    with pytest.raises(ValueError) as error:
        find_checkpoint(path, 'load_from')
    assert str(error.value) == (
        f'load_from={path!r} is a {type(path).__name__}; expected a path: '
        'text in quotation marks'
    )


def test_paths_of_pathlib_are_read(tmp_path):
    torch.save(dict(state_dict=dict(w=torch.ones(1))), tmp_path / 'a.pth')
    assert 'state_dict' in read_checkpoint(tmp_path / 'a.pth', 'checkpoint')


def test_student_is_told_from_teacher_and_distiller():
    state = {'architecture.a': 1, 'teacher.a': 2, 'distiller.b': 3}
    assert student_state_dict(state) == {'a': 1}
    assert student_state_dict({'a': 1, 'distiller.b': 3}) == {'a': 1}
    plain = {'a': 1}
    assert student_state_dict(plain) is plain
