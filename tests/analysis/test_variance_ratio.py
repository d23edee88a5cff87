"""The ratio of within-article variances where it hangs on little."""

import numpy as np

from bench.analysis.variance_ratio import variance_ratio

nan = float("nan")


def one(a: list[float], b: list[float]):
    return variance_ratio(np.array([a]), np.array([b])).iloc[0]


def test_equal_variances_have_a_ratio_of_one_and_no_interval():
    row = one([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    assert row["variance_ratio"] == 1
    assert np.isnan(row["variance_p"])


def test_a_constant_arm_is_not_testable_and_named():
    row = one([0.0, 0.0, 0.0], [0.1, 0.2, 0.3])
    assert np.isnan(row["variance_ratio"])
    assert "arm_a gave constant answers" in row["reason"]


def test_a_ratio_that_hangs_on_one_article_has_no_interval():
    row = one([0.2, 0.0, 0.0], [0.1, 0.2, 0.3])
    assert row["variance_ratio"] > 0
    assert np.isnan(row["variance_ratio_ci_high"])
    assert "single article" in row["reason"]


def test_cells_with_one_answer_are_left_out_on_both_sides():
    alone = one([0.1, nan, 0.3], [0.2, 9.0, 0.1])
    assert alone["variance_ratio"] == one([0.1, 0.3], [0.2, 0.1])["variance_ratio"]


def test_one_article_is_too_few():
    assert "fewer than two" in one([0.1], [0.2])["reason"]
