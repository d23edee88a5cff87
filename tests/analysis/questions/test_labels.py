"""Labels: disagreement beyond each arm's own."""

import numpy as np

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
