"""Consistency: the ratio, the absolute rule, and constant arms."""

import numpy as np
import pytest

from bench.analysis.variance_ratio import variance_ratio
from tests.analysis.questions.evidence import around, asked

CENTRES = np.linspace(-0.5, 0.5, 40)


def test_like_variances_pass_by_the_ratio():
    a, b = around(CENTRES, 0.1, 15, 1), around(CENTRES, 0.1, 15, 2)
    answer = asked("variance", a, b)
    table = variance_ratio(np.var(a, axis=1, ddof=1)[None], np.var(b, axis=1, ddof=1)[None]).iloc[0]
    assert answer["upper"] == pytest.approx(table["variance_ratio_upper"])
    assert answer["lower"] * answer["upper"] == pytest.approx(answer["estimate"] ** 2)
    assert (answer["verdict"], answer["margin"]) == ("pass", 2.0)


def test_ten_times_the_variance_fails():
    a = around(CENTRES, 0.32, 15, 1)
    assert asked("variance", a, around(CENTRES, 0.1, 15, 2))["verdict"] == "fail"


def test_a_rise_too_small_to_matter_passes_by_the_absolute_rule():
    answer = asked("variance", around(CENTRES, 0.01, 15, 1), around(CENTRES, 0.002, 15, 2))
    assert answer["verdict"] == "pass"
    assert answer["upper"] <= answer["margin"] == pytest.approx(0.02**2)


def test_two_constant_arms_pass_and_it_is_said():
    constant = around(CENTRES, 0.0, 5)
    answer = asked("variance", constant, constant)
    assert answer["verdict"] == "pass"
    assert "both arms repeat the same score" in answer["reason"]


@pytest.mark.parametrize(("noise", "word"), [(0.005, "pass"), (0.2, "fail")])
def test_against_a_constant_baseline_only_the_absolute_rule_counts(noise, word):
    answer = asked("variance", around(CENTRES, noise, 15), around(CENTRES, 0.0, 15))
    assert answer["verdict"] == word
    assert "the baseline repeats itself" in answer["reason"]
    assert answer["margin"] == pytest.approx(0.02**2)


def test_an_arm_that_became_constant_passes():
    answer = asked("variance", around(CENTRES, 0.0, 5), around(CENTRES, 0.3, 5))
    assert (answer["verdict"], answer["estimate"]) == ("pass", 0)


def test_single_answers_are_not_testable():
    assert asked("variance", [[0.1]] * 9, [[0.2]] * 9)["verdict"] == "not_testable"
