"""What an evaluation shows: roles, Holm over the rows that are shown, and words for what intervals say."""

import pandas as pd
import pytest

from bench.analysis.comparisons import Comparison
from bench.analysis.evaluation import comparison_table, evaluation_table, verdict
from bench.analysis.quality_pairs import quality_pair_table
from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows
from tests.analysis.test_quality import ARMS, LABELS, frame, graded, truths

ROLES = {"a": "tuned", "b": "untuned", "c": "baseline"}
NAN = float("nan")


def pairs(*rows):
    """Rows of quality_pairs: (a, b, difference, low, high, p)."""
    names = ["arm_a", "arm_b", "accuracy_difference", "ci_low", "ci_high", "p_value"]
    return pd.DataFrame(rows, columns=names).assign(note="", p_holm=-1.0, kind="custom")


def test_each_comparison_says_which_question_it_answers():
    table = comparison_table(
        pairs(("a", "b", 0.1, 0.0, 0.2, 0.04), ("a", "c", 0.1, 0.0, 0.2, 0.04)),
        [("a", "c"), ("a", "b")],
        ROLES,
    )
    assert table[["arm_a", "arm_b", "question"]].to_numpy().tolist() == [
        ["a", "c", "baseline"],
        ["a", "b", "tuning"],
    ]


def test_holm_corrects_over_the_rows_that_are_shown():
    whole = pairs(
        ("a", "b", 0.1, 0.01, 0.2, 0.03), ("a", "c", 0.2, 0.1, 0.3, 0.001), ("c", "b", 0, 0, 0, 0.9)
    )
    table = comparison_table(whole, [("a", "b"), ("a", "c")], ROLES)
    assert table["p_holm"].tolist() == pytest.approx([0.03, 0.002])
    assert table["n_corrected"].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((0.2, 0.1, 0.3, 0.01), "better: right more often"),
        ((-0.2, -0.3, -0.1, 0.01), "worse: right less often"),
        ((0.2, 0.1, 0.3, 0.2), "better: right more often by this comparison alone; not after Holm's"),
        (
            (0.2, -0.1, 0.5, 0.01),
            "not decided: the interval holds zero, so neither a difference nor its absence",
        ),
        ((0.0, 0.0, 0.0, 1.0), "not decided"),
        ((0.0, NAN, NAN, NAN), "not testable: all item differences are equal"),
    ],
)
def test_a_verdict_says_no_more_than_the_interval_shows(row, said):
    difference, low, high, p_holm = row
    values = {"accuracy_difference": difference, "ci_low": low, "ci_high": high, "p_holm": p_holm}
    note = "not testable: all item differences are equal"
    assert verdict({**values, "n_corrected": 3, "note": note}).startswith(said)


def test_where_only_scores_are_known_a_smaller_error_is_better():
    values = {"error_difference": -0.2, "error_ci_low": -0.3, "error_ci_high": -0.1, "p_holm": 0.01}
    assert verdict({**values, "n_corrected": 1}) == "better: the score's error is smaller"


def test_a_row_per_arm_has_its_role_its_valid_answers_and_its_quality():
    answers = pd.concat(
        [frame("a", [["bad"], ["fair"], "?", "!"]), frame("b", [["good"], ["good"], ["fair"], ["bad"]])],
        ignore_index=True,
    )
    tables = build_tables(
        answers, ARMS, thresholds=None, truth=truths(["bad", "fair", "good", "bad"]), labels=LABELS
    )
    table = evaluation_table(tables, ROLES).set_index("arm")
    assert table["role"].to_dict() == {"a": "tuned", "b": "untuned"}
    assert table.loc["a", "n_valid"] == 2
    assert table.loc["a", "accuracy"] == pytest.approx(2 / 3)
    assert table.loc["a", "garbage_rate"] == pytest.approx(1 / 3)
    assert table.loc["a", "n_failed_measurements"] == 1
    assert not table.columns.duplicated().any()
    assert list(table.columns[:1]) == ["role"]


def test_without_a_right_answer_only_valid_answers_are_shown():
    arms = arm_rows({"arm": "a", "quant": "q8_0"}, {"arm": "b", "quant": "fp16"})
    answers = pd.concat([frame("a", [["bad"]]), frame("b", ["?"])], ignore_index=True)
    table = evaluation_table(build_tables(answers, arms, thresholds=None, labels=LABELS), ROLES)
    assert "accuracy" not in table.columns
    assert table["n_valid"].tolist() == [1, 0]
    assert comparison_table(pd.DataFrame(), [("a", "b")], ROLES).empty


def test_the_real_table_of_pairs_is_taken_as_it_is():
    of_a, of_b = [["bad"], ["fair"], ["good"], ["bad"]], [["good"], ["fair"], ["good"], ["good"]]
    grades = graded(of_a, of_b, ["bad", "fair", "good", "bad"])
    made = quality_pair_table(grades, [Comparison("custom", "a", "b")])
    table = comparison_table(made, [("a", "b")], ROLES)
    assert table.loc[0, "accuracy_difference"] == pytest.approx(0.5)
    assert table.loc[0, "p_holm"] == pytest.approx(made.loc[0, "p_value"])
    assert table["macro_f1_difference"].notna().all()
    assert table.loc[0, "n_wrong_to_right"] == 2
