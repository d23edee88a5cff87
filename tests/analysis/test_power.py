"""Planning numbers at their edges; their values are checked in test_reference."""

import math

import pytest

from bench.analysis.power import (
    articles_needed,
    articles_to_detect,
    iterations_needed,
    smallest_detectable_shift,
    t_power,
    tost_power,
)

nan = float("nan")


@pytest.mark.parametrize("sd", [0.0, nan])
def test_without_spread_nothing_can_be_planned(sd):
    assert math.isnan(smallest_detectable_shift(sd, 19))
    assert math.isnan(articles_needed(sd, 0.05))
    assert math.isnan(articles_to_detect(sd, 0.05))


def test_a_hopeless_margin_gives_no_number():
    assert math.isnan(articles_needed(1e6, 0.05))


def test_power_of_a_huge_shift_is_one_and_not_undefined():
    assert t_power(1e4, 18) == 1
    assert tost_power(1e4, 18) == pytest.approx(1)


def test_power_without_an_effect_is_the_level():
    assert t_power(0.0, 18) == pytest.approx(0.05)


def test_equivalence_power_agrees_with_a_numerical_integral():
    from scipy import integrate, stats

    critical, dof, margin = stats.t.ppf(0.95, 5), 5, 2.9

    def density(s: float) -> float:
        inside = 2 * stats.norm.cdf(margin - critical * s) - 1
        return float(max(0.0, inside) * 2 * s * dof * stats.chi2.pdf(dof * s * s, dof))

    expected = integrate.quad(density, 0, margin / critical, epsabs=1e-12)[0]
    assert tost_power(margin, dof) == pytest.approx(expected, abs=1e-9)


def test_drift_beyond_the_margin_cannot_be_settled_by_iterations():
    assert math.isnan(iterations_needed(1.0, 0.01, 19, 0.05))


def test_more_noise_needs_more_iterations():
    few, many = iterations_needed(0.0, 0.01, 19, 0.05), iterations_needed(0.0, 0.1, 19, 0.05)
    assert 1 <= few < many
