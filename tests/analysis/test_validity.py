"""Valid rates whose intervals know that answers to one article fail together."""

import numpy as np
import pytest

from bench.analysis.validity import clopper_pearson, effective_n, icc_anova, valid_difference


def test_answers_that_fail_by_article_count_as_one_each():
    valid, n = np.array([[10, 10, 0, 0]]), np.full((1, 4), 10)
    assert icc_anova(valid, n)[0] == pytest.approx(1)
    assert effective_n(valid, n)[0] == pytest.approx(4)


def test_answers_that_fail_alike_in_every_article_count_in_full():
    valid, n = np.full((1, 4), 5), np.full((1, 4), 10)
    assert icc_anova(valid, n)[0] < 0
    assert effective_n(valid, n)[0] == 40


@pytest.mark.parametrize("valid", [0, 10])
def test_no_correlation_exists_where_all_or_none_are_valid(valid):
    counts = np.full((1, 4), valid)
    assert np.isnan(icc_anova(counts, np.full((1, 4), 10))[0])
    assert np.isnan(effective_n(counts, np.full((1, 4), 10))[0])


def test_one_answer_per_article_is_independent():
    assert effective_n(np.array([[1, 0, 1]]), np.array([[1, 1, 1]]))[0] == 3


def test_one_article_with_some_failures_has_no_effective_n():
    assert np.isnan(effective_n(np.array([[4]]), np.array([[10]]))[0])


def test_exact_bounds_reach_the_ends_and_no_further():
    low, high = clopper_pearson([0, 20], [20, 20], 0.025)
    assert (low[0], high[1]) == (0, 1)
    assert low[1] == pytest.approx(0.025 ** (1 / 20))
    assert high[0] == pytest.approx(1 - 0.025 ** (1 / 20))


def test_exact_bounds_of_nothing_are_undefined():
    low, high = clopper_pearson([0], [0], 0.05)
    assert np.isnan(low[0])
    assert np.isnan(high[0])


def test_the_difference_of_rates_is_clustered_by_article():
    row = valid_difference(np.array([[1.0, 0.5, np.nan]]), np.array([[0.5, 0.5, 1.0]])).iloc[0]
    assert row["valid_difference"] == 0.25
    assert row["valid_difference_se"] == pytest.approx(0.25)
