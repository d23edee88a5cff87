"""The bound for skewed values against a direct solution of Hall's transformation."""

import numpy as np
import pytest
from scipy import optimize, stats

from bench.analysis.skewed import p_at, skewness, upper_bound

SKEWED = np.array([0.0] * 15 + [0.1, 0.1, 0.3, 0.6, 0.0])
EVEN = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])


def transformed(mu: float, values: np.ndarray) -> float:
    n, c = len(values), stats.skew(values)
    t = (values.mean() - mu) / values.std(ddof=1)
    return float(np.sqrt(n) * (t + c * t**2 / 3 + c**2 * t**3 / 27 + c / (6 * n)))


def t_bound(values: np.ndarray) -> float:
    se = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() + stats.t.ppf(0.95, len(values) - 1) * se)


def test_the_bound_of_skewed_values_solves_halls_transformation():
    (bound,) = upper_bound(SKEWED[None], 0.05)
    direct = optimize.brentq(lambda mu: transformed(mu, SKEWED) + stats.t.ppf(0.95, 19), 0.0, 1.0)
    assert bound == pytest.approx(direct, abs=1e-9)
    assert bound > t_bound(SKEWED)


def test_without_skewness_it_is_students_bound():
    assert upper_bound(EVEN[None], 0.05)[0] == pytest.approx(t_bound(EVEN))


def test_it_is_never_below_students_bound():
    assert upper_bound(-SKEWED[None], 0.05)[0] == pytest.approx(t_bound(-SKEWED))


@pytest.mark.parametrize("values", [SKEWED, -SKEWED, EVEN])
def test_p_is_the_tail_at_which_the_bound_meets_the_margin(values):
    (bound,) = upper_bound(values[None], 0.05)
    assert p_at(values[None], bound)[0] == pytest.approx(0.05, abs=1e-9)
    assert p_at(values[None], bound + 0.01)[0] < 0.05


def test_entries_that_are_not_there_do_not_count():
    with_holes = np.concatenate([SKEWED, [np.nan, np.nan]])
    assert upper_bound(with_holes[None], 0.05) == pytest.approx(upper_bound(SKEWED[None], 0.05))
    assert skewness(with_holes[None])[0] == pytest.approx(stats.skew(SKEWED))


def test_without_spread_the_bound_is_the_mean_and_one_value_has_none():
    assert upper_bound(np.full((1, 4), 0.3), 0.05)[0] == pytest.approx(0.3)
    assert np.isnan(upper_bound(np.array([[0.3, np.nan]]), 0.05)[0])
    assert np.isnan(p_at(np.full((1, 4), 0.3), 0.5)[0])
