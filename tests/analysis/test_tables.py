"""The tables as a whole: their columns, their counts, and data in which little can be tested."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.analysis.pairs import PAIR_COLUMNS
from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows, sample_rows

nan = float("nan")
Scores = dict[str, list[float]]
TWO = arm_rows({"arm": "x", "quant": "q4"}, {"arm": "y", "quant": "fp16"})


def tables(x: Scores, y: Scores, **options: Any) -> dict[str, pd.DataFrame]:
    return build_tables(pd.concat([sample_rows("x", x), sample_rows("y", y)]), TWO, **options)


def test_pairs_have_exactly_the_columns_of_the_contract():
    made = tables({"a": [0.1, 0.2]}, {"a": [0.2, 0.4]})
    assert tuple(made["pairs"].columns) == PAIR_COLUMNS


def test_identical_constant_arms_are_not_testable_and_nothing_is_zero_by_accident():
    same = {"a": [0.5, 0.5], "b": [0.1, 0.1], "c": [0.3, 0.3]}
    made = tables(same, same)
    row = made["pairs"].iloc[0]
    assert row["mean_difference"] == row["rms_drift"] == row["max_abs_drift"] == 0
    for name in ("p_value", "p_holm", "t", "tost_p", "wilcoxon_p", "variance_ratio"):
        assert np.isnan(row[name])
    assert "not testable: all article differences are equal" in row["note"]
    assert "both arms gave constant answers" in row["note"]
    assert np.isnan(made["anova"].iloc[0]["f"])
    assert (made["cells"]["score_variance"] == 0).all()


def test_an_article_that_is_empty_in_one_arm_is_left_out_of_the_pair():
    made = tables(
        {"a": [0.1, 0.2], "b": [nan, nan], "c": [0.3, 0.5]}, {"a": [0, 0.1], "b": [1, 1], "c": [0, 0]}
    )
    row = made["pairs"].iloc[0]
    assert row["n_articles"] == 2
    assert row["valid_difference"] == pytest.approx(-1 / 3)
    drift = made["drift"].set_index("article_id")
    assert drift["difference"].isna().tolist() == [False, True, False]
    assert drift.at["b", "label_b"] == "positive"
    assert drift["label_a"].isna().tolist() == [False, True, False]


def test_a_single_valid_answer_has_a_mean_and_no_variance():
    cell = tables({"a": [0.4, nan]}, {"a": [0.1, 0.2]})["cells"].iloc[0]
    assert cell["score_mean"] == 0.4
    assert np.isnan(cell["score_variance"])
    assert cell["valid_rate"] == 0.5


def test_failed_measurements_are_counted_apart_and_in_no_rate():
    x = sample_rows("x", {"a": [0.4, nan, nan]})
    x["outcome"] = ["valid", "backend_error", "context_overflow"]
    made = build_tables(pd.concat([x, sample_rows("y", {"a": [0.1, 0.2, 0.3]})]), TWO)
    row = made["arms"].set_index("arm").loc["x"]
    assert (row["n_samples"], row["n_failed_measurements"], row["valid_rate"]) == (3, 2, 1.0)
    failures = made["failures"].set_index(["arm", "outcome"])
    assert failures.at[("x", "backend_error"), "n"] == 1
    assert failures.at[("x", "fenced"), "n"] == 0
    assert failures.at[("x", "valid"), "share"] == pytest.approx(1 / 3)


def test_an_arm_without_samples_has_counts_of_zero_and_no_statistics():
    made = build_tables(sample_rows("x", {"a": [0.1, 0.2], "b": [0.3, 0.1]}), TWO)
    row = made["arms"].set_index("arm").loc["y"]
    assert row["n_samples"] == row["n_distinct_scores"] == 0
    for name in ("valid_rate", "valid_ci_low", "score_mean", "share_zero", "n_eff", "valid_worst_low"):
        assert np.isnan(row[name])
    assert row["valid_ci_method"] is None
    assert "no article" in made["pairs"].iloc[0]["note"]
    assert set(made["cells"]["arm"]) == {"x"}


def test_one_arm_gives_tables_without_pairs():
    made = build_tables(sample_rows("x", {"a": [0.1, 0.2]}), arm_rows({"arm": "x"}))
    assert len(made["pairs"]) == len(made["drift"]) == 0
    assert tuple(made["pairs"].columns) == PAIR_COLUMNS
    assert "fewer than two arms" in made["anova"].iloc[0]["note"]


def test_seconds_that_were_not_measured_alone_are_undefined_and_not_zero():
    made = tables({"a": [0.1, 0.2]}, {"a": [0.3, 0.1]})
    arms, iterations = made["arms"], made["iterations"]
    for name in ("duration_mean_s", "seconds_per_valid", "tokens_per_s", "ttft_p50_s"):
        assert arms[name].isna().all()
    assert iterations["duration_s"].isna().all()
    assert made["pairs"]["latency_ratio"].isna().all()


def test_iterations_sum_seconds_and_weight_scores_by_confidence():
    x = sample_rows("x", {"a": [0.2, 0.4], "b": [0.8, nan]})
    x["confidence"], x["duration_s"] = [0.5, 0.5, 1.0, nan], [1.0, 2.0, 3.0, 4.0]
    row = build_tables(x, arm_rows({"arm": "x"}))["iterations"].iloc[0]
    assert row["weighted_score_mean"] == pytest.approx((0.2 * 0.5 + 0.8) / 1.5)
    assert (row["n_valid"], row["duration_s"]) == (2, 4.0)


def test_confidences_of_zero_give_no_weighted_mean():
    x = sample_rows("x", {"a": [0.2, 0.4]}, confidence=0.0)
    row = build_tables(x, arm_rows({"arm": "x"}))["arms"].iloc[0]
    assert np.isnan(row["weighted_score_mean"])
    assert row["score_mean"] == pytest.approx(0.3)


def test_scores_heap_at_limits_and_zero():
    row = tables({"a": [1.0, -1.0, 0.0, 0.5]}, {"a": [0.1] * 4})["arms"].set_index("arm").loc["x"]
    assert (row["share_at_limits"], row["share_zero"], row["n_distinct_scores"]) == (0.5, 0.25, 4)


def test_without_thresholds_labels_are_undefined():
    made = tables({"a": [0.1, 0.2]}, {"a": [-0.3, 0.1]}, thresholds=None)
    row = made["pairs"].iloc[0]
    assert row[["label_flips", "cross_agreement", "excess_disagreement"]].isna().all()
    assert row["n_articles_labels"] == 0
    assert made["drift"]["label_a"].isna().all()


def test_a_mean_at_the_threshold_is_neutral_despite_rounding():
    made = tables({"a": [0.1 + 0.2 - 0.25] * 2}, {"a": [0.0, 0.0]})
    assert made["drift"].iloc[0]["label_a"] == "neutral"


def test_corrections_count_the_tests_of_their_own_kind():
    arms = arm_rows(*({"arm": q, "quant": q} for q in ("fp16", "q4", "q8")), {"arm": "o", "family": "o"})
    generator = np.random.default_rng(0)
    parts = [
        sample_rows(arm, {f"a{i}": generator.normal(0, 0.3, 3).tolist() for i in range(6)})
        for arm in arms["arm"]
    ]
    pairs = build_tables(pd.concat(parts), arms, [("o", "q4")])["pairs"]
    assert pairs["n_corrected"].tolist() == [2, 2, 1]
    custom = pairs.iloc[2]
    assert custom["p_holm"] == custom["p_bh"] == custom["p_value"]


def test_label_accuracy_and_score_error_of_a_hand_computed_example():
    truth = pd.DataFrame(
        {
            "article_id": ["a", "b", "c", "d"],
            "label": ["positive", "negative", "neutral", None],
            "reference_score": [0.5, -0.5, nan, nan],
        }
    )
    scores = {"a": [0.4, 0.2], "b": [0.3, 0.1], "c": [nan, nan], "d": [0.9, 0.9]}
    made = build_tables(sample_rows("x", scores), arm_rows({"arm": "x"}), truth=truth)
    row = made["accuracy"].iloc[0]
    assert (row["n_labelled"], row["n_answered"], row["n_scored"]) == (3, 2, 2)
    assert row["label_accuracy"] == 0.5
    assert row["label_accuracy_all"] == pytest.approx(1 / 3)
    assert row["mean_absolute_error"] == pytest.approx((0.2 + 0.7) / 2)


def test_articles_without_labels_give_no_accuracy_table():
    truth = pd.DataFrame({"article_id": ["a"], "label": [None], "reference_score": [nan]})
    made = build_tables(sample_rows("x", {"a": [0.1]}), arm_rows({"arm": "x"}), truth=truth)
    assert "accuracy" not in made


def test_a_sample_of_an_unknown_arm_is_an_error():
    with pytest.raises(ValueError, match="unknown arm 'x'"):
        build_tables(sample_rows("x", {"a": [0.1]}), arm_rows({"arm": "y"}))


def test_the_same_frames_give_the_same_tables():
    generator = np.random.default_rng(2)
    scores = {f"a{i}": generator.normal(0, 0.3, 3).tolist() for i in range(25)}
    other = {f"a{i}": generator.normal(0, 0.3, 3).tolist() for i in range(25)}
    first, second = tables(scores, other), tables(scores, other)
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, second[name])


def test_repeats_of_an_arm_are_in_no_group_table_and_have_their_own_correction():
    arms = arm_rows(
        {"arm": "fp16"}, {"arm": "q4", "quant": "q4"}, {"arm": "aa", "quant": "q4", "repeat_of": "q4"}
    )
    generator = np.random.default_rng(5)
    parts = [
        sample_rows(arm, {f"a{i}": generator.normal(0, 0.3, 3).tolist() for i in range(6)})
        for arm in arms["arm"]
    ]
    made = build_tables(pd.concat(parts), arms)
    assert made["pairs"]["kind"].tolist() == ["quantization", "aa"]
    assert made["pairs"]["n_corrected"].tolist() == [1, 1]
    assert made["anova"]["n_arms"].tolist() == [2]
    assert len(made["arms"]) == 3


def test_one_failure_against_none_has_a_finite_difference_and_error():
    made = tables({"a": [0.1] * 4, "b": [0.2] * 4}, {"a": [0.1] * 4, "b": [0.2, 0.2, 0.2, nan]})
    row = made["pairs"].iloc[0]
    assert (row["valid_difference"], row["valid_difference_se"]) == (0.125, 0.125)
    rates = made["arms"].set_index("arm")
    assert rates["valid_ci_method"].tolist() == ["exact_independent", "beta_binomial_profile"]
    assert rates["valid_clustered_low"].iloc[1] == rates["valid_ci_low"].iloc[1]
    assert (rates["valid_ci_low"] < rates["valid_rate"]).all()


def test_without_failures_the_shown_interval_counts_answers_to_one_article_as_alike():
    made = tables({"a": [0.1] * 5, "b": [0.2] * 5}, {"a": [0.1] * 5, "b": [0.2] * 5})
    row = made["arms"].iloc[0]
    n_eff = 10 / (1 + 4 * 0.2)
    assert row["valid_clustered_low"] == pytest.approx(stats.beta.ppf(0.025, n_eff, 1))
    assert row["valid_clustered_high"] == 1.0
    assert row["valid_worst_low"] < row["valid_clustered_low"] < row["valid_ci_low"]
