"""Drift of single articles: noise never fails an arm."""

import numpy as np
import pytest
from scipy import stats

from tests.analysis.questions.evidence import around, asked

CENTRES = np.linspace(-0.5, 0.5, 40)
UP_AND_DOWN = np.tile([1.0, -1.0], 20)


def test_small_drift_passes_by_its_chi_square_bound():
    a, b = around(CENTRES, 0.05, 15, 1), around(CENTRES, 0.05, 15, 2)
    answer = asked("rms", a, b)
    d = np.mean(a, axis=1) - np.mean(b, axis=1)
    assert answer["upper"] == pytest.approx(np.sqrt((d**2).sum() / stats.chi2.ppf(0.05, 40)))
    assert answer["verdict"] == "pass"


def test_drift_that_cancels_in_the_mean_still_fails():
    a = around(CENTRES + 0.2 * UP_AND_DOWN, 0.05, 15, 1)
    assert asked("rms", a, around(CENTRES, 0.05, 15, 2))["verdict"] == "fail"


def test_noise_alone_is_not_enough_data_and_iterations_are_what_is_missing():
    answer = asked("rms", around(CENTRES, 0.3, 3, 1), around(CENTRES, 0.3, 3, 2))
    assert answer["estimate"] > 0.1
    assert answer["verdict"] == "not_enough_data"
    assert "iterations are missing" in answer["reason"]
    assert "sampling noise alone" in answer["reason"]
    needed = int(answer["n_iterations_needed"])
    settled = asked("rms", around(CENTRES, 0.3, 2 * needed, 1), around(CENTRES, 0.3, 2 * needed, 2))
    assert settled["verdict"] == "pass"


def test_steady_drift_below_the_margin_needs_articles():
    few = slice(0, 6)
    a = around(CENTRES[few] + 0.08 * UP_AND_DOWN[few], 0.001, 5, 1)
    answer = asked("rms", a, around(CENTRES[few], 0.001, 5, 2))
    assert answer["verdict"] == "not_enough_data"
    assert "articles are missing" in answer["reason"]
    assert np.isnan(answer["n_iterations_needed"])
    assert answer["n_articles_needed"] > 6


def test_without_iterations_the_noise_is_unknown_and_nothing_fails():
    a = around(CENTRES + 0.3 * UP_AND_DOWN, 0.0, 1)
    assert asked("rms", a, around(CENTRES, 0.0, 1))["verdict"] == "not_enough_data"
