"""Bounds for means of bounded values."""

import numpy as np
import pytest
from scipy import stats

from bench.analysis.bounded import mean_bounds, share_above
from bench.analysis.validity import clopper_pearson

NAN = float("nan")


@pytest.mark.parametrize(("k", "n"), [(0, 40), (1, 40), (7, 60), (40, 40)])
def test_of_yes_and_no_it_is_clopper_and_pearsons(k, n):
    found = mean_bounds(np.array([[1.0] * k + [0.0] * (n - k)]), 0, 1, 0.05)
    low, high = clopper_pearson(k, n, 0.05)
    assert float(found.upper[0]) == pytest.approx(float(high), abs=0.004)
    assert float(found.lower[0]) == pytest.approx(float(low), abs=0.004)


def test_of_many_spread_values_it_is_near_students():
    values = np.random.default_rng(1).uniform(-0.2, 0.3, 500)
    found = mean_bounds(values[None], -1, 1, 0.05)
    upper = values.mean() + stats.t.ppf(0.95, 499) * values.std(ddof=1) / np.sqrt(500)
    assert float(found.upper[0]) == pytest.approx(upper, abs=0.003)


def test_where_no_item_differs_149_items_show_two_points_and_fewer_do_not():
    bounds = [float(mean_bounds(np.zeros((1, n)), -1, 1, 0.05).upper[0]) for n in (140, 158)]
    assert bounds[0] > 0.02 > bounds[1]


def test_a_bound_of_zero_has_no_minus_sign():
    found = mean_bounds(np.array([[0.0, 0.0, 0.0], [-0.0, -0.0, -0.0]]), 0, 1, 0.025)
    assert not np.signbit(found.lower).any()
    assert (found.lower == 0).all()
    mirrored = mean_bounds(np.array([[-0.0, -0.0, 0.0]]), -1, 0, 0.025)
    assert not np.signbit(mirrored.upper).any()


def test_p_is_at_most_5_percent_exactly_where_the_bound_holds():
    rng = np.random.default_rng(2)
    values = rng.choice([-1.0, 0.0, 0.0, 0.0, 0.5, 1.0], (20, 30))
    upper = mean_bounds(values, -1, 1, 0.05).upper
    for limit in (0.0, 0.1, 0.2, float(upper[3])):
        assert ((share_above(values, 1, limit) <= 0.05) == (upper <= limit)).all()


def test_gaps_are_left_out_and_one_item_has_no_bound():
    found = mean_bounds(np.array([[0.0, NAN, 1.0], [1.0, NAN, NAN]]), 0, 1, 0.05)
    whole = mean_bounds(np.array([[0.0, 1.0]]), 0, 1, 0.05)
    assert found.upper[0] == whole.upper[0]
    assert np.isnan(found.upper[1])
    assert np.isnan(found.lower[1])
