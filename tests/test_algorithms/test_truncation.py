"""Truncations cut gradients, never values."""

import copy
from collections import namedtuple

import pytest
import torch
from torch import nn

from cankd_mm.algorithms.truncation import Truncation, build_truncations


class Pair(nn.Module):
    """Two layers; the second takes and returns whatever nest it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = Nest()

    def forward(self, x):
        return self.second(self.first(x), size=(1, 2))


class Nest(nn.Module):
    """Returns tensors in every kind of container, and other things."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.blocks = nn.ModuleList([nn.Linear(2, 2)])

    def forward(self, x, size=None, extra=None):
        out = self.layer(x)
        named = namedtuple('Named', 'a b')(out, size)
        return out, [out, 'text'], dict(key=out, size=size), named, extra


def _cut(on: str, module: str = 'second') -> tuple[Pair, Truncation]:
    torch.manual_seed(0)
    model = Pair()
    (truncation,) = build_truncations([dict(module=module, on=on)], model)
    truncation.active = True
    return model, truncation


def test_output_detaches_every_tensor_and_keeps_everything_else():
    model, _ = _cut('output')
    bare = copy.deepcopy(model)
    bare.second._forward_hooks.clear()
    x = torch.randn(3, 2)
    out, listed, keyed, named, extra = model(x)
    for tensor in (out, listed[0], keyed['key'], named.a):
        assert not tensor.requires_grad
        assert torch.equal(tensor, bare(x)[0])
    assert listed[1] == 'text' and keyed['size'] == (1, 2)
    assert type(named).__name__ == 'Named' and named.b == (1, 2)
    assert extra is None


def test_input_detaches_positional_and_keyword_tensors():
    model, _ = _cut('input')
    x = torch.randn(3, 2, requires_grad=True)
    out, *_, extra = model.second(x, size=(1, 2), extra=dict(x=x))
    assert not extra['x'].requires_grad
    out.sum().backward()
    assert x.grad is None
    assert model.second.layer.weight.grad is not None


@pytest.mark.parametrize('on', ['input', 'output'])
def test_inactive_truncation_hands_on_the_very_objects(on):
    model, truncation = _cut(on)
    truncation.active = False
    x = torch.randn(3, 2, requires_grad=True)
    out, *_, extra = model.second(x, extra=x)
    assert extra is x
    assert out.requires_grad


def test_the_input_is_cut_where_nothing_is_said():
    model = Pair()
    (truncation,) = build_truncations([dict(module='second')], model)
    assert truncation.on == 'input'


@pytest.mark.parametrize('recorded', ['before', 'behind'])
def test_a_record_keeps_its_gradient_only_before_the_cut(recorded):
    model = Pair()
    records = []

    def record():
        model.first.register_forward_hook(lambda *a: records.append(a[2]))

    def cut():
        (t,) = build_truncations([dict(module='first', on='output')], model)
        t.active = True

    for action in (record, cut) if recorded == 'before' else (cut, record):
        action()
    model(torch.randn(3, 2))
    assert records[0].requires_grad == (recorded == 'before')


def test_copies_are_switched_apart():
    model, truncation = _cut('output')
    pair = copy.deepcopy(dict(model=model, truncation=truncation))
    truncation.active = False
    assert pair['truncation'].active
    assert not pair['model'](torch.randn(3, 2))[0].requires_grad
    assert model(torch.randn(3, 2))[0].requires_grad


@pytest.mark.parametrize(
    'truncations, error, named',
    [
        ([dict(module='secnd')], ValueError, "'second'"),
        ([dict(module='')], ValueError, "module=''"),
        ([dict(module=3)], ValueError, 'module=3'),
        ([dict(module='first', on='both')], ValueError, "on='both'"),
        ([dict(module='first', of='input')], ValueError, "'of'"),
        ([dict(on='input')], ValueError, "'on'"),
        (['first'], TypeError, "'first'"),
        ('first', TypeError, "'first'"),
        ([dict(module='second.blocks')], ValueError, 'second.blocks.0'),
        ([dict(module='first')] * 2, ValueError, 'already'),
    ],
    ids=str,
)
def test_bad_truncations_are_errors_that_name_the_key(
    truncations, error, named
):
    with pytest.raises(error, match=named) as raised:
        build_truncations(truncations, Pair())
    assert 'model.truncations' in str(raised.value)


def test_an_error_leaves_the_student_without_any_hook():
    model = Pair()
    with pytest.raises(ValueError):
        build_truncations([dict(module='first'), dict(module='x')], model)
    assert not model.first._forward_pre_hooks
