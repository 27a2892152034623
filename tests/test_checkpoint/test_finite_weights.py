"""Weights are finite numbers; masks may be infinite."""

import pytest
import torch
from torch import nn

from cankd_mm.checkpoint.finite_weights import (
    NonFiniteWeightsError,
    non_finite_tensors,
    require_finite,
)
from cankd_mm.utils.checkpoint import load_state


def _state(**values) -> dict:
    return {name: torch.tensor(value) for name, value in values.items()}


def test_finite_weights_pass():
    require_finite(
        _state(a=[1.0, -2.0], steps=3, flag=True), 'a.pth', 'checkpoint'
    )


def test_message_has_key_file_tensors_counts_and_remedy():
    nan, inf = float('nan'), float('inf')
    state = _state(good=[1.0], a=[nan, inf, 0.5], b=[[nan, nan], [1.0, 2.0]])
    with pytest.raises(NonFiniteWeightsError) as error:
        require_finite(state, 'dir/a.pth', 'model.teacher_ckpt')
    assert str(error.value) == (
        "model.teacher_ckpt='dir/a.pth': 2 tensors with NaN or infinite "
        'weights: a (1 NaN, 1 inf of 3), b (2 NaN of 4); expected finite '
        'numbers. A training that diverged or a damaged copy leaves such '
        'weights: take an earlier checkpoint, or copy the file again'
    )


def test_many_tensors_are_counted():
    state = {f'w{i}': torch.full((2,), torch.nan) for i in range(12)}
    with pytest.raises(NonFiniteWeightsError, match='12 tensors .*and 7 more'):
        require_finite(state, 'a.pth', 'checkpoint')


@pytest.mark.parametrize(
    'values, is_mask',
    [
        ([0.0, -torch.inf], True),
        ([0.0, torch.inf], True),
        ([0.0, torch.inf, -torch.inf], False),
        ([0.0, torch.nan], False),
        ([0.5, torch.inf], False),
        ([torch.inf], False),
    ],
)
def test_zeros_and_infinities_of_one_sign_are_a_mask(values, is_mask):
    assert (non_finite_tensors(_state(x=values)) == []) == is_mask


class Masked(nn.Module):
    """Has a buffer that is infinite by design."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer('mask', torch.tensor([1.0, -torch.inf]))


def test_with_the_model_its_own_infinite_buffers_are_left_out():
    model = Masked()
    state = dict(model.state_dict())
    assert non_finite_tensors(state, model) == []
    state['weight'] = torch.tensor([0.0, torch.inf])  # a mask by its looks
    (found,) = non_finite_tensors(state, model)
    assert found.name == 'weight'


def test_a_model_without_values_is_no_measure():
    model = Masked().to('meta')
    state = _state(weight=[1.0, torch.nan], mask=[0.0, -torch.inf])
    assert [f.name for f in non_finite_tensors(state, model)] == ['weight']


def test_loading_reports_what_is_not_finite():
    state = dict(Masked().state_dict(), weight=torch.full((2,), torch.nan))
    report = load_state(Masked(), state, "checkpoint='a.pth'")
    assert [f.name for f in report.non_finite] == ['weight']
    with pytest.raises(NonFiniteWeightsError, match="^checkpoint='a.pth': 1 "):
        report.require_finite()
    load_state(Masked(), Masked().state_dict(), '').require_finite()


def test_tensors_that_do_not_reach_the_model_may_be_nan():
    nan = torch.full((2,), torch.nan)
    state = dict(Masked().state_dict(), auxiliary=nan)
    report = load_state(Masked(), state, '')
    assert report.unexpected == ['auxiliary'] and report.non_finite == []
    report = load_state(Masked(), dict(weight=torch.full((3,), torch.nan)), '')
    assert [name for name, *_ in report.mis_shaped] == ['weight']
    assert report.non_finite == []


class Renamed(Masked):
    """Reads a key of an older version."""

    def _load_from_state_dict(self, state_dict, *args) -> None:
        state_dict['weight'] = state_dict.pop('old')
        super()._load_from_state_dict(state_dict, *args)


def test_tensors_that_are_renamed_when_loaded_are_checked():
    state = dict(Masked().state_dict())
    del state['weight']
    state['old'] = torch.full((2,), torch.nan)
    report = load_state(Renamed(), state, '')
    assert not report.unexpected and not report.missing
    assert [tensor.name for tensor in report.non_finite] == ['old']


# --------------------------------------------------- what torch cannot check


@pytest.mark.parametrize(
    'value',
    [
        nn.UninitializedParameter(),
        nn.UninitializedBuffer(),
        torch.tensor([1.0, torch.nan]).to_sparse(),
        torch.tensor([1.0, torch.nan], device='meta'),
    ],
    ids=['parameter', 'buffer', 'sparse', 'meta'],
)
def test_tensors_that_cannot_be_checked_are_left_out(value):
    good = torch.ones(2)
    assert non_finite_tensors(dict(x=value, good=good)) == []
    # Nor are they a measure.
    model = nn.Module()
    model.state_dict = lambda: dict(x=value)
    (found,) = non_finite_tensors(dict(x=good * torch.nan), model)
    assert found.name == 'x'


@pytest.mark.parametrize('dtype', [torch.float8_e4m3fn, torch.float8_e5m2])
def test_float8_is_checked(dtype):
    state = dict(x=torch.tensor([0.5, torch.nan]).to(dtype))
    assert [str(t) for t in non_finite_tensors(state)] == ['x (1 NaN of 2)']
    assert non_finite_tensors(dict(x=torch.ones(2).to(dtype))) == []
