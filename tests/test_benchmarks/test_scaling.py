"""The fitted exponent."""

import pytest

from cankd_mm.benchmarks.scaling import exponent

SIZES = [1024, 2048, 4096, 16384]


@pytest.mark.parametrize('power', [0.0, 1.0, 1.5, 2.0])
@pytest.mark.parametrize('factor', [3e-7, 20.0])
def test_power_law_gives_its_exponent(power, factor):
    costs = [factor * size**power for size in SIZES]
    assert exponent(SIZES, costs) == pytest.approx(power, abs=1e-10)


def test_every_size_counts_alike_in_the_logarithm():
    # A cost that is twice the law's at one end and half of it at the other
    # tilts the line; in the middle it lifts it and does not tilt.
    costs = [2.0 * size for size in SIZES[:3]]
    assert exponent(SIZES[:3], [costs[0], 8 * costs[1], costs[2]]) == (
        pytest.approx(1.0)
    )
    assert exponent(SIZES[:3], [2 * costs[0], costs[1], costs[2] / 2]) == (
        pytest.approx(0.0, abs=1e-10)
    )


def test_cost_below_what_can_be_measured_has_no_exponent():
    assert exponent(SIZES, [0.0, 1.0, 2.0, 3.0]) is None
