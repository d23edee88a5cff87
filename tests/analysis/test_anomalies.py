"""Scores that heap, texts that repeat, agreement of labels."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows, sample_rows

nan = float("nan")


def arm_row(frame: pd.DataFrame):
    return build_tables(frame, arm_rows({"arm": "x"}))["arms"].iloc[0]


def test_the_share_of_the_most_frequent_score():
    row = arm_row(sample_rows("x", {"a": [0.5, 0.5, 0.5, 0.1], "b": [nan]}))
    assert (row["share_top_score"], row["n_distinct_scores"]) == (0.75, 2)


def test_without_valid_answers_heaping_is_undefined():
    row = arm_row(sample_rows("x", {"a": [nan, nan]}))
    assert row[["share_top_score", "share_zero", "share_at_limits"]].isna().all()


def test_invalid_answers_count_for_length_and_repetition():
    frame = sample_rows("x", {"a": [0.5, nan, nan, nan]})
    frame["answer_chars"], frame["repeated_share"] = [100.0, 300.0, 200.0, nan], [0.0, 0.9, nan, nan]
    row = arm_row(frame)
    assert (row["answer_chars_mean"], row["answer_chars_p50"]) == (200, 200)
    assert row["share_repeating"] == 0.5


def test_texts_that_were_not_kept_leave_length_and_repetition_undefined():
    row = arm_row(sample_rows("x", {"a": [0.5]}))
    assert row[["answer_chars_mean", "answer_chars_p95", "share_repeating"]].isna().all()


def test_agreement_of_a_hand_computed_example():
    x, y = {"a": [0.5, 0.5], "b": [0.5, -0.5]}, {"a": [0.5, 0.0], "b": [nan, nan]}
    frame = pd.concat([sample_rows("x", x), sample_rows("y", y)])
    made = build_tables(frame, arm_rows({"arm": "x", "quant": "q4"}, {"arm": "y"}))["agreement"]
    rows = made.to_dict("records")
    table = {(row["arm_a"], row["arm_b"]): (row["agreement"], row["n"]) for row in rows}
    assert len(table) == 4
    assert table["x", "y"] == table["y", "x"] == (0.5, 1)
    assert table["x", "x"] == (0.5, 2)
    assert table["y", "y"] == (0, 1)


def test_agreement_without_labels_is_undefined():
    frame = sample_rows("x", {"a": [0.5, 0.5]})
    made = build_tables(frame, arm_rows({"arm": "x"}), thresholds=None)["agreement"]
    assert np.isnan(made["agreement"][0])
    assert made["n"][0] == 0


def test_throughput_is_a_column_of_its_own():
    arms = arm_rows({"arm": "x"}).assign(answers_per_s=12.5)
    row = build_tables(sample_rows("x", {"a": [0.5]}), arms)["arms"].iloc[0]
    assert row["answers_per_s"] == pytest.approx(12.5)
    assert np.isnan(row["duration_mean_s"])
