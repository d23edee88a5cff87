"""The profile interval against a direct maximisation, and where there is none."""

import numpy as np
import pytest
from scipy import optimize, stats

from bench.analysis.beta_binomial import icc_profile, profile_interval

VALID = np.array([[14, 14, 13, 9, 2, 14, 12, 14, 0, 14]])
MEASURED = np.array([[14, 14, 14, 10, 14, 14, 14, 14, 9, 14]])


def direct(rate: float) -> float:
    """The profile log-likelihood, theta searched by scipy."""

    def negative(log_theta: float) -> float:
        theta = np.exp(log_theta)
        logs = stats.betabinom.logpmf(VALID[0], MEASURED[0], rate / theta, (1 - rate) / theta)
        return -float(logs.sum())

    return -float(optimize.minimize_scalar(negative, bounds=(-6, 6), method="bounded").fun)


def test_the_bounds_are_where_the_profile_has_fallen_by_half_of_t_squared():
    (low,), (high,) = profile_interval(VALID, MEASURED)
    best = -optimize.minimize_scalar(lambda r: -direct(r), bounds=(0.3, 0.99), method="bounded").fun
    cut = stats.t.ppf(0.975, 9) ** 2 / 2
    assert best - direct(low) == pytest.approx(cut, abs=1e-4)
    assert best - direct(high) == pytest.approx(cut, abs=1e-4)
    assert low < VALID.sum() / MEASURED.sum() < high


def test_independent_failures_give_the_binomial_likelihood_interval():
    valid, n = np.full((1, 20), 9), np.full((1, 20), 10)
    (low,), (high,) = profile_interval(valid, n)
    cut = stats.t.ppf(0.975, 19) ** 2 / 2
    top = stats.binom.logpmf(180, 200, 0.9)
    assert top - stats.binom.logpmf(180, 200, low) == pytest.approx(cut, abs=1e-5)
    assert top - stats.binom.logpmf(180, 200, high) == pytest.approx(cut, abs=1e-5)


def test_failures_of_whole_articles_widen_the_interval():
    together = np.repeat([[10, 0]], [18, 2], axis=1)
    apart, n = np.full((1, 20), 9), np.full((1, 20), 10)
    low_together, low_apart = profile_interval(together, n)[0], profile_interval(apart, n)[0]
    assert low_together < low_apart - 0.1


@pytest.mark.parametrize("valid", [[[5, 5, 5]], [[0, 0, 0]]])
def test_without_any_failure_or_success_it_is_undefined(valid):
    low, high = profile_interval(np.array(valid), np.full((1, 3), 5))
    assert np.isnan([low[0], high[0]]).all()


def test_one_article_is_undefined_and_unmeasured_ones_do_not_count():
    low, _ = profile_interval(np.array([[3, 0, 0]]), np.array([[5, 0, 0]]))
    assert np.isnan(low[0])


def test_one_answer_per_article_is_defined():
    low, high = profile_interval(np.array([[1, 1, 0, 1, 1, 1, 0, 1]]), np.full((1, 8), 1))
    assert 0.2 < low[0] < 0.75 < high[0] < 1


def test_the_likelihood_of_a_correlation_is_that_of_its_best_rate():
    def direct_at(icc: float) -> float:
        theta = icc / (1 - icc)

        def negative(rate: float) -> float:
            logs = stats.betabinom.logpmf(VALID[0], MEASURED[0], rate / theta, (1 - rate) / theta)
            return -float(logs.sum())

        return -float(optimize.minimize_scalar(negative, bounds=(0.01, 0.99), method="bounded").fun)

    found = icc_profile(VALID, MEASURED, np.array([0.2, 0.5, 0.8]))[:, 0]
    assert found[1] - found[0] == pytest.approx(direct_at(0.5) - direct_at(0.2), abs=1e-6)
    assert found[2] - found[0] == pytest.approx(direct_at(0.8) - direct_at(0.2), abs=1e-6)


def test_an_arm_without_failures_says_nothing_of_the_correlation():
    assert (icc_profile(MEASURED, MEASURED, np.array([0.0, 0.5])) == 0).all()
