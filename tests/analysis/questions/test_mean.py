"""The mean: inside the margin, outside, or across it."""

import numpy as np
import pytest
from scipy import stats

from tests.analysis.questions.evidence import around, asked

CENTRES = np.linspace(-0.5, 0.5, 30)


def test_the_90_percent_interval_of_the_paired_difference_is_shown():
    a, b = around(CENTRES + 0.01, 0.05, 5, 1), around(CENTRES, 0.05, 5, 2)
    answer = asked("mean", a, b)
    d = np.mean(a, axis=1) - np.mean(b, axis=1)
    low, high = stats.t.interval(0.90, 29, d.mean(), stats.sem(d))
    assert (answer["lower"], answer["upper"]) == (pytest.approx(low), pytest.approx(high))
    assert (answer["verdict"], answer["margin"]) == ("pass", 0.05)


@pytest.mark.parametrize("shift", [0.12, -0.12])
def test_a_clear_shift_fails_either_way(shift):
    assert asked("mean", around(CENTRES + shift, 0.05, 5, 1), around(CENTRES, 0.05, 5))["verdict"] == "fail"


def test_an_interval_across_the_margin_is_not_enough_data_and_says_what_is_needed():
    answer = asked("mean", around(CENTRES[:6], 0.2, 3, 1), around(CENTRES[:6], 0.2, 3, 2))
    assert answer["verdict"] == "not_enough_data"
    assert answer["n_articles_needed"] > 6
    assert "would settle it" in answer["reason"]


def test_a_shift_that_every_article_shares_fails_without_a_p_value():
    answer = asked("mean", [[c + 0.1] * 3 for c in CENTRES], [[c] * 3 for c in CENTRES])
    assert answer["verdict"] == "fail"
    assert np.isnan(answer["p_value"])
    assert "no width" in answer["reason"]


def test_a_shared_shift_of_exactly_the_margin_is_inside():
    answer = asked("mean", [[c + 0.05] * 3 for c in CENTRES], [[c] * 3 for c in CENTRES])
    assert answer["verdict"] == "pass"


def test_the_margin_is_a_fraction_of_half_the_range():
    a, b = around(CENTRES * 5 + 0.3, 0.1, 5, 1), around(CENTRES * 5, 0.1, 5)
    assert asked("mean", a, b)["verdict"] == "fail"
    assert asked("mean", a, b, scale=10.0)["margin"] == 0.5
    assert asked("mean", a, b, scale=10.0)["verdict"] == "pass"
