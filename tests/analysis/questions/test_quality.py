"""Is it right as often as the baseline?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.analysis import questions
from bench.analysis.frames import prepared
from bench.analysis.grading import grade
from bench.config import GateConfig
from tests.analysis.builders import arm_rows, sample_rows
from tests.analysis.questions.evidence import NAN, THRESHOLDS, evidence

N = 200


def labelled(candidate, baseline, label="positive", reference=NAN, failed_of_a=(), **margins):
    """The evidence on two arms whose articles have a label or a reference score."""
    arms = arm_rows({"arm": "a", "quant": "q8_0"}, {"arm": "b", "quant": "fp16"})
    frames = [
        sample_rows(name, {f"article {i}": cell for i, cell in enumerate(scores)})
        for name, scores in (("a", candidate), ("b", baseline))
    ]
    truth = pd.DataFrame(
        {
            "article_id": [f"article {i}" for i in range(len(baseline))],
            "label": label,
            "reference_score": reference,
        }
    )
    failed = frames[0]["article_id"].isin([f"article {i}" for i in failed_of_a])
    frames[0].loc[failed, "outcome"] = "backend_error"
    frames[0].loc[failed, "valid"] = False
    grades = grade(prepared(pd.concat(frames, ignore_index=True), arms), truth, THRESHOLDS)
    return evidence(candidate, baseline, grades=grades, margins=GateConfig(**margins))


def judged(candidate, baseline, alone=False, **fields) -> dict[str, Any]:
    given = labelled(candidate, baseline, **fields)
    made = questions.alone("quality", given, "no baseline") if alone else questions.judge("quality", given)
    return {str(key): value for key, value in made.iloc[0].items()}


def right(n_items, n_right):
    return [[0.5] * 3] * n_right + [[-0.5] * 3] * (n_items - n_right)


def test_an_arm_that_is_right_where_its_baseline_is_passes_with_enough_items():
    answer = judged(right(N, 160), right(N, 160))
    assert (answer["verdict"], answer["unit"], answer["estimate"]) == ("pass", "rate", 0)
    assert 0.01 < answer["upper"] < 0.02
    assert answer["p_value"] <= 0.05


def test_few_items_without_any_flip_are_not_enough_data():
    answer = judged(right(40, 30), right(40, 30))
    assert answer["verdict"] == "not_enough_data"
    assert answer["n_articles_needed"] == pytest.approx(149, rel=0.05)


def test_an_arm_that_lost_ten_points_fails():
    answer = judged(right(N, 140), right(N, 160))
    assert answer["verdict"] == "fail"
    assert answer["estimate"] == pytest.approx(0.1)
    assert "right in 70.0 %, the baseline in 80.0 %" in answer["reason"]


def test_an_arm_that_is_better_passes():
    assert judged(right(N, 180), right(N, 140))["verdict"] == "pass"


def test_garbage_counts_as_wrong():
    silent = [[NAN] * 3] * 20 + right(N - 20, 140)
    assert judged(silent, right(N, 160))["estimate"] == pytest.approx(0.1)


def test_a_floor_is_asked_only_where_it_is_set():
    same = right(N, 160)
    assert judged(same, same)["verdict"] == "pass"
    assert judged(same, same, accuracy_floor=0.7)["verdict"] == "pass"
    assert judged(same, same, accuracy_floor=0.79)["verdict"] == "not_enough_data"
    answer = judged(same, same, accuracy_floor=0.9)
    assert answer["verdict"] == "fail"
    assert "90% are asked" in answer["reason"]


def test_of_a_baseline_only_the_floor_is_asked():
    same = right(N, 160)
    assert judged(same, same, alone=True)["verdict"] == "not_testable"
    assert judged(same, same, alone=True, accuracy_floor=0.9)["verdict"] == "fail"
    assert judged(same, same, alone=True, accuracy_floor=0.7)["verdict"] == "pass"


def test_without_labels_the_error_of_scores_is_compared():
    rng = np.random.default_rng(1)
    scores = np.clip(0.3 + 0.05 * rng.standard_normal((N, 3)), -1, 1)
    other = np.clip(0.3 + 0.05 * rng.standard_normal((N, 3)), -1, 1)
    same = judged(scores.tolist(), other.tolist(), label=None, reference=0.3)
    assert (same["verdict"], same["unit"]) == ("pass", "score")
    worse = judged((scores + 0.2).tolist(), other.tolist(), label=None, reference=0.3)
    assert worse["verdict"] == "fail"


def test_few_answered_reference_scores_pass_nothing():
    silent = [[NAN] * 3] * 50 + [[0.3] * 3] * 150
    answer = judged(silent, [[0.3] * 3] * 200, label=None, reference=0.3)
    assert answer["verdict"] == "not_enough_data"
    assert "only 75% of the reference scores" in answer["reason"]


def test_without_labels_and_reference_scores_it_is_not_asked():
    answer = judged(right(40, 30), right(40, 30), label=None)
    assert (answer["verdict"], answer["applies"]) == ("not_testable", False)


def test_one_item_passes_nothing():
    assert judged(right(1, 1), right(1, 1))["verdict"] == "not_testable"


# ---------------------------------------------------------------- against the base model


def against_base(candidate, base, alone=False, has_base=True, **truth):
    """The fine-tuned arm `a` against its base, which is row 1 here."""
    made = labelled(candidate, base, **truth)
    rows = np.array([1 if has_base else -1])
    given = replace(made, base=rows, b=made.a if alone else made.b)
    found = questions.alone("fine_tuning", given, "x") if alone else questions.judge("fine_tuning", given)
    return {str(key): value for key, value in found.iloc[0].items()}


def test_a_fine_tuned_arm_is_held_to_its_base_and_named_so():
    answer = against_base(right(N, 140), right(N, 160))
    assert (answer["verdict"], answer["margin"]) == ("fail", 0.02)
    assert answer["reason"] == "right in 70.0 %, the base model in 80.0 %; drop at most 14.3 points"
    assert against_base(right(N, 180), right(N, 140))["verdict"] == "pass"


def test_a_fine_tuned_baseline_is_held_to_its_base_too():
    answer = against_base(right(N, 140), right(N, 160), alone=True)
    assert (answer["verdict"], answer["applies"], answer["unit"]) == ("fail", True, "rate")


def test_an_arm_without_a_base_is_not_asked_about_one():
    answer = against_base(right(N, 140), right(N, 160), has_base=False)
    assert (answer["verdict"], answer["applies"]) == ("not_testable", False)
    assert "no base model" in answer["reason"]


def test_without_labels_the_error_is_held_to_the_bases():
    answer = against_base([[0.5] * 3] * N, [[0.3] * 3] * N, label=None, reference=0.3)
    assert (answer["verdict"], answer["unit"]) == ("fail", "score")
    assert answer["reason"] == "off by 0.200, the base model by 0.000; rise at most 0.200"


def test_only_the_arms_with_a_base_get_an_answer_each_in_its_own_row():
    made = labelled(right(N, 140), right(N, 160))
    both = replace(
        made,
        a=np.array([1, 0]),
        b=np.array([1, 0]),
        icc=made.icc.repeat(2),
        icc_limit=made.icc_limit.repeat(2),
        base=np.array([-1, 1]),
    )
    found = questions.judge("fine_tuning", both)
    assert found["applies"].tolist() == [False, True]
    assert found["estimate"].tolist() == pytest.approx([NAN, 0.1], nan_ok=True)


def test_both_accuracies_in_the_reason_are_of_the_items_both_arms_answered():
    silent = right(N, 160)
    answer = judged([*right(N - 20, 160), *silent[:20]], silent, failed_of_a=range(20))
    assert answer["reason"].startswith("right in 88.9 %, the baseline in 77.8 %")
