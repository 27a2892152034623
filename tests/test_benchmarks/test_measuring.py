"""How times and peaks are taken."""

import math

import pytest
import torch
from torch import nn

from cankd_mm.benchmarks import measuring
from cankd_mm.benchmarks.forms import OURS, Form
from cankd_mm.benchmarks.measuring import MIB, Settings

SHAPE = (1, 4, 512, 512)
FEATURE = 4 * math.prod(SHAPE)


def nothing(student, teacher) -> nn.Module:
    return nn.Identity()


def three_copies(loss, s, t):
    """Two are alive at once, then with the third; one of them is kept."""
    first = s.detach() + 1
    second = first + 1
    del first
    third = second + 1
    return (third * s).sum()


COPIES = Form(nothing, three_copies)


def test_rounds_go_to_and_fro_and_the_first_one_is_not_counted():
    calls = []

    def call(name):
        calls.append(name)
        return len(calls)

    results = measuring.in_turns(
        {name: lambda name=name: call(name) for name in 'ab'}, 3, 60.0
    )
    assert ''.join(calls) == 'abbaabba'
    assert results == dict(a=[4, 5, 8], b=[3, 6, 7])


def test_a_round_counts_however_long_it_takes():
    results = measuring.in_turns({'a': lambda: 1}, 5, 0.0)
    assert results == dict(a=[1])


def test_ratios_are_taken_within_a_round():
    # The machine was ten times as slow in the second round.
    assert measuring.median_ratio([1.0, 10.0, 1.0], [2.0, 20.0, 3.0]) == 2.0


def test_computed_peak_counts_what_is_alive_at_once():
    # Two copies and no third one beside them; then (third * s), whose
    # gradient is a scalar expanded, and that of s.
    peak = measuring.computed_peak(COPIES, SHAPE, SHAPE, Settings())
    assert peak == pytest.approx(3 * FEATURE, rel=1e-3)


def test_measured_peak_is_about_the_computed_one():
    form = OURS['CanKD'][1]
    shape = (1, 32, 64, 64)
    computed, measured = (
        peak(form, shape, shape, Settings()) / MIB
        for peak in (measuring.computed_peak, measuring.measured_peak)
    )
    # Two matrices of 4096 x 1024 and less of everything else.
    assert 32 < computed < 48
    assert measured == pytest.approx(computed, rel=0.25)


def test_process_that_fails_is_an_error():
    with pytest.raises(RuntimeError, match='exit code 3'):
        measuring.in_own_process(_exit)


def _exit():
    raise SystemExit(3)


def test_operations_are_counted_without_computing():
    class Product(nn.Module):
        def forward(self, s, t):
            return (s.flatten(2) @ t.flatten(2).transpose(1, 2)).sum()

    form = Form(lambda student, teacher: Product())
    shape = (1, 4, 50_000, 100)
    multiplications = 4 * 4 * 50_000 * 100
    assert measuring.gflop(form, shape, shape) == pytest.approx(
        (2 * multiplications / 1e9, 2 * multiplications / 1e9)
    )


@pytest.mark.parametrize(
    ('dtype', 'parameters'),
    [
        ('float64', torch.float64),
        ('float32', torch.float32),
        # As in training: autocast over float32 weights.
        ('bfloat16', torch.float32),
    ],
)
def test_features_and_weights_have_the_format_of_a_training(dtype, parameters):
    shape = (1, 4, 6, 6)
    settings = Settings(dtype=dtype)
    run = measuring.trial(OURS['CanKD'][0], shape, shape, settings)
    assert run.s.dtype == run.t.dtype == getattr(torch, dtype)
    assert {p.dtype for p in run.loss.parameters()} == {parameters}
    run.forward().backward()
    assert run.s.grad.dtype == run.s.dtype
