"""Labels: disagreement beyond each arm's own."""

import numpy as np
import pytest
from scipy import stats

from bench.config import GateConfig
from tests.analysis.questions.evidence import around, asked

CENTRES = np.linspace(-0.8, 0.8, 40)


def test_arms_that_always_agree_pass_although_the_interval_has_no_width():
    answer = asked("labels", [[0.5] * 4] * 40, [[0.6] * 4] * 40)
    assert (answer["verdict"], answer["estimate"]) == ("pass", 0)
    assert np.isnan(answer["p_value"])


def test_an_arm_that_turned_neutral_fails():
    assert asked("labels", around(CENTRES * 0.01, 0.0, 4), around(CENTRES, 0.0, 4))["verdict"] == "fail"


def test_noise_across_a_threshold_is_no_excess():
    a, b = around([0.05] * 40, 0.05, 15, 1), around([0.05] * 40, 0.05, 15, 2)
    answer = asked("labels", a, b)
    assert abs(answer["estimate"]) < 0.05
    assert answer["verdict"] == "pass"


def test_few_articles_that_disagree_are_not_enough_data():
    a = [[0.0] * 4 if i < 3 else [0.5] * 4 for i in range(40)]
    answer = asked("labels", a, [[0.5] * 4] * 40)
    assert answer["verdict"] == "not_enough_data"
    assert answer["lower"] < 0.05 < answer["upper"]


def test_flips_that_are_spread_evenly_are_seen_before_two_meet_in_one_article():
    # every article flips one answer of four: no two flips meet, so the excess itself is 0
    a = [[0.0, 0.5, 0.5, 0.5]] * 20 + [[0.5] * 4] * 20
    answer = asked("labels", a, [[0.5] * 4] * 40, margins=GateConfig(labels=0.01))
    assert answer["estimate"] == 0
    share = np.array([0.25] * 20 + [0.0] * 20)
    width = stats.t.ppf(0.95, 39) * share.std(ddof=1) / np.sqrt(40)
    assert answer["upper"] == pytest.approx((share.mean() + width) ** 2)
    assert answer["verdict"] == "not_enough_data"


@pytest.mark.parametrize("seed", range(6))
def test_p_and_bound_say_the_same(seed):
    rng = np.random.default_rng(seed)
    a = np.where(rng.random((40, 5)) < 0.05 + 0.3 * (rng.random((40, 1)) < 0.1), 0.0, 0.5).tolist()
    answer = asked("labels", a, [[0.5] * 5] * 40)
    assert (answer["p_value"] <= 0.05) == (answer["upper"] <= 0.05)
