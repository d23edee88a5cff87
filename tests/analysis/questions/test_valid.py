"""Drop of the valid rate: the exact bound with clustering, and the floor."""

import numpy as np
import pytest
from scipy import stats

from bench.analysis.beta_binomial import icc_profile
from bench.analysis.questions.valid import ICCS, failing_cells, icc_limit, pooled_icc
from bench.analysis.validity import icc_anova
from bench.config import GateConfig
from tests.analysis.questions.evidence import NAN, asked

GOOD = [[0.1] * 15] * 40


def failing(*per_article, of=15):
    """40 articles, the first of which have so many failures."""
    counts = [*per_article, *[0] * (40 - len(per_article))]
    return [[NAN] * n + [0.1] * (of - n) for n in counts]


def test_no_failure_at_all_is_not_certainty():
    answer = asked("valid", GOOD, GOOD)
    n_eff = 600 / (1 + 14 * 0.2)
    assert answer["upper"] == pytest.approx(stats.beta.ppf(0.95, 1, n_eff))
    assert (answer["estimate"], answer["verdict"]) == (0, "pass")


def test_the_bound_uses_the_failures_scaled_to_the_effective_number():
    answer = asked("valid", failing(1, 1, 1, 1), GOOD)
    n_eff = 600 / (1 + 14 * 0.2)  # scattered failures have an ICC below 0.2
    x = 4 * n_eff / 600
    assert answer["upper"] == pytest.approx(stats.beta.ppf(0.95, x + 1, n_eff - x))


def test_few_failures_are_not_taken_for_independent_ones():
    one = asked("valid", failing(3), GOOD)
    n_eff = 600 / (1 + 14 * 0.5)  # one failing article rules out no correlation
    x = 3 * n_eff / 600
    assert one["upper"] == pytest.approx(stats.beta.ppf(0.95, x + 1, n_eff - x))


def test_a_correlation_is_ruled_out_by_many_articles_that_fail_once():
    def limit(n_valid: list[int]) -> float:
        counts = np.array([n_valid])
        n = np.full_like(counts, 15)
        return float(icc_limit(icc_profile(counts, n, ICCS), failing_cells(counts, n))[0])

    assert limit([14] * 20 + [15] * 20) == 0.2
    assert limit([12] + [15] * 39) == 0.5
    assert 0.2 < limit([13] * 8 + [15] * 32) < 0.5
    assert limit([5] * 40 + [15] * 100) == 0.2  # so many failing articles tell it themselves


def test_the_t_bound_decides_where_it_is_larger():
    answer = asked("valid", failing(15, 15), GOOD)
    drops = np.array([1.0, 1.0, *[0.0] * 38])
    t_bound = drops.mean() + stats.t.ppf(0.95, 39) * drops.std(ddof=1) / np.sqrt(40)
    assert answer["upper"] >= t_bound
    assert answer["verdict"] == "not_enough_data"


def test_a_small_run_without_failures_says_what_would_settle_it():
    answer = asked("valid", [[0.1] * 3] * 20, [[0.1] * 3] * 20)
    assert answer["verdict"] == "not_enough_data"
    more = int(answer["n_articles_needed"])
    assert asked("valid", [[0.1] * 3] * more, [[0.1] * 3] * more)["verdict"] == "pass"
    fewer = more - 1
    assert asked("valid", [[0.1] * 3] * fewer, [[0.1] * 3] * fewer)["verdict"] == "not_enough_data"
    repeats = int(answer["n_iterations_needed"])
    assert asked("valid", [[0.1] * repeats] * 20, [[0.1] * repeats] * 20)["verdict"] == "pass"


def test_a_clear_drop_fails():
    assert asked("valid", failing(*[3] * 40), GOOD)["verdict"] == "fail"


def test_an_arm_as_bad_as_its_baseline_still_fails_the_floor():
    bad = failing(*[3] * 40)
    answer = asked("valid", bad, bad)
    assert (answer["estimate"], answer["verdict"]) == (0, "fail")
    assert "95% are asked" in answer["reason"]
    assert asked("valid", bad, bad, margins=GateConfig(valid_floor=0.5))["verdict"] == "not_enough_data"


def test_one_arm_alone_has_the_icc_of_the_analysis_of_variance():
    n_valid, n_measured = np.array([[15, 3, 15, 0, 14, 15]]), np.full((1, 6), 15)
    assert pooled_icc(n_valid, n_measured) == pytest.approx(icc_anova(n_valid, n_measured)[0])


def test_arms_without_failures_do_not_dilute_the_icc():
    n_valid = np.array([[15, 3, 15, 0, 14, 15]])
    with_perfect = np.concatenate([n_valid, np.full((3, 6), 15)])
    assert pooled_icc(with_perfect, np.full((4, 6), 15)) == pooled_icc(n_valid, np.full((1, 6), 15))


@pytest.mark.parametrize("n_valid", [[[5, 5, 5]], [[4, 4, 4]], [[0, 0, 0]]])
def test_the_icc_is_never_taken_below_one_fifth(n_valid):
    assert pooled_icc(np.array(n_valid), np.full((1, 3), 5)) == 0.2
