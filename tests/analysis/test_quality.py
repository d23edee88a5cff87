"""Correctness against labels and reference scores, held to scikit-learn and to examples worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from bench.analysis.calibration import calibration, calibration_table, mean_interval, stated
from bench.analysis.comparisons import Comparison
from bench.analysis.confusion import (
    balanced_accuracy,
    confusion_table,
    f1,
    item_matrices,
    label_table,
    macro_f1,
    matthews,
    precision,
    recall,
    summed,
)
from bench.analysis.consistency import consistency, pass_table
from bench.analysis.frames import prepared
from bench.analysis.grading import GARBAGE, Grades, grade
from bench.analysis.quality import accuracies, matrix_figures, quality_table
from bench.analysis.quality_pairs import label_pair_table, mcnemar_p, quality_pair_table
from bench.analysis.score_error import score_errors
from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows, sample_rows

NAN = float("nan")
LABELS = ("bad", "fair", "good")
ARMS = arm_rows({"arm": "a", "quant": "q4_K_M"}, {"arm": "b", "quant": "fp16"})


def frame(arm, answers, confidence=0.5, scores=None):
    """One row per answer: a label, "?" for one in no category, "!" for a failed measurement."""
    cells = {f"item {i}": [NAN if x in "?!" else 0.0 for x in cell] for i, cell in enumerate(answers)}
    made = sample_rows(arm, scores or cells, confidence=confidence)
    flat = [x for cell in answers for x in cell]
    made["label"] = [None if x in "?!" else x for x in flat]
    made.loc[[x == "!" for x in flat], "outcome"] = "backend_error"
    return made


def truths(labels, references=None):
    return pd.DataFrame(
        {
            "article_id": [f"item {i}" for i in range(len(labels))],
            "label": pd.Series(labels, dtype=object),
            "reference_score": references or [NAN] * len(labels),
        }
    )


def graded(of_a, of_b, labels, references=None, **fields) -> Grades:
    samples = pd.concat([frame("a", of_a, **fields), frame("b", of_b, **fields)], ignore_index=True)
    return grade(prepared(samples, ARMS), truths(labels, references), None, LABELS)


def random_grades(seed, n_items=60, uneven=True):
    rng = np.random.default_rng(seed)
    truth = rng.choice(LABELS, n_items, p=(0.5, 0.3, 0.2)).tolist()

    def answers():
        cells = []
        for right in truth:
            n = int(rng.integers(1, 6)) if uneven else 3
            pool = [right, right, right, *LABELS, "?"]
            cells.append(rng.choice(pool, n).tolist())
        return cells

    of_a, of_b = answers(), answers()
    return truth, of_a, of_b, graded(of_a, of_b, truth)


def flat(truth, cells):
    """True labels, answers with garbage, and weights that make every item weigh 1."""
    wanted = [right for right, cell in zip(truth, cells, strict=True) for _ in cell]
    answered = [GARBAGE if x == "?" else x for cell in cells for x in cell]
    weights = [1 / len(cell) for cell in cells for _ in cell]
    return wanted, answered, weights


@pytest.mark.parametrize("seed", range(4))
def test_figures_of_the_confusion_matrix_are_scikit_learns_with_items_as_weights(seed):
    truth, of_a, _, grades = random_grades(seed)
    wanted, answered, weights = flat(truth, of_a)
    matrix = summed(item_matrices(grades, 0))
    theirs = metrics.confusion_matrix(wanted, answered, labels=[*LABELS, GARBAGE], sample_weight=weights)
    np.testing.assert_allclose(matrix, theirs[:3], atol=1e-12)
    p, r, f, _ = metrics.precision_recall_fscore_support(
        wanted, answered, labels=list(LABELS), sample_weight=weights, zero_division=0
    )
    np.testing.assert_allclose(precision(matrix), p)
    np.testing.assert_allclose(recall(matrix), r)
    np.testing.assert_allclose(f1(matrix), f)
    assert float(macro_f1(matrix)) == pytest.approx(f.mean())
    assert float(balanced_accuracy(matrix)) == pytest.approx(r.mean())
    assert float(matthews(matrix)) == pytest.approx(
        metrics.matthews_corrcoef(wanted, answered, sample_weight=weights)
    )
    assert accuracies(grades)["accuracy"][0] == pytest.approx(
        metrics.accuracy_score(wanted, answered, sample_weight=weights)
    )


def test_garbage_is_wrong_and_a_failed_measurement_is_neither():
    grades = graded([["good", "?", "!"], ["?", "?", "?"]], [["good"], ["bad"]], ["good", "bad"])
    row = accuracies(grades).iloc[0]
    assert row["accuracy"] == pytest.approx((1 / 2 + 0) / 2)
    assert (row["n_answers"], row["n_garbage"], row["n_failed_measurements"]) == (5, 4, 1)
    assert row["garbage_rate"] == pytest.approx((1 / 2 + 1) / 2)


def test_an_item_counts_once_however_often_it_was_answered():
    grades = graded([["good"] * 9, ["good"]], [["good"], ["bad"]], ["good", "bad"])
    assert accuracies(grades)["accuracy"][0] == 0.5


def test_items_without_a_label_or_with_a_foreign_one_are_left_out_and_said():
    grades = graded([["good"], ["good"], ["good"]], [["good"]] * 3, ["good", None, "splendid"])
    made = quality_table(grades, stated(*_nothing(grades)), ARMS)
    assert made["n_items"].tolist() == [1, 1]
    assert "1 articles have a label that is none of the task's" in made["note"][0]
    assert "no item is bad or fair" in made["note"][0]


def _nothing(grades):
    empty = frame("a", [["good"]]).iloc[:0]
    keys = {"arm": list(grades.arms), "article_id": list(grades.articles)}
    typed = {name: pd.Categorical(empty[name], categories=known) for name, known in keys.items()}
    return empty.assign(**typed), grades, None


def test_the_interval_is_students_and_exact_where_all_items_are_alike():
    answers = [["good", "bad"], ["good", "good"], ["bad", "bad"], ["good", "good"]]
    grades = graded(answers, [["good"]] * 4, ["good"] * 4)
    made = accuracies(grades)
    sd = np.std([0.5, 1, 0, 1], ddof=1)
    assert made["accuracy_ci_low"][0] == pytest.approx(max(0.625 - 3.182446 * sd / 2, 0))
    assert made["accuracy_ci_method"].tolist() == ["t", "exact_items"]
    assert made["accuracy_ci_low"][1] == pytest.approx(0.025 ** (1 / 4))


def test_no_bound_leaves_what_a_figure_can_be():
    grades = graded([["good"]] * 5 + [["bad"]], [["good"]] * 6, ["good"] * 4 + ["bad"] * 2)
    labels, figures = label_table(grades, ARMS), matrix_figures(grades)
    for name in ("precision", "recall", "f1"):
        assert labels[f"{name}_ci_low"].min() >= 0
        assert labels[f"{name}_ci_high"].max() == 1
    assert figures["matthews_ci_low"][0] < 0
    assert figures["macro_f1_ci_low"].min() >= 0


def test_an_arm_that_is_always_right_may_still_err_on_what_was_not_seen():
    labels = ["bad"] * 20 + ["good"] * 3
    row = matrix_figures(graded([[x] for x in labels], [[x] for x in labels], labels)).iloc[0]
    assert row["balanced_accuracy"] == row["balanced_accuracy_ci_high"] == 1
    # of three items that are right, the share may well be a half of those not seen; of twenty, hardly
    assert 0.5 < row["balanced_accuracy_ci_low"] < 0.85
    assert row["balanced_accuracy_ci_low"] == pytest.approx(_simulated_low(20, 3), abs=0.03)  # 2,000 draws


def _simulated_low(*n_of_label):
    """The lower bound from beta distributions: a share of n items, all right, and one that was not seen."""
    rng = np.random.default_rng(1)
    return np.quantile(np.mean([rng.beta(n, 1, 200_000) for n in n_of_label], axis=0), 0.025)


def test_what_is_undefined_is_nan_and_not_zero():
    grades = graded([["good"]] * 3, [["!"]] * 3, ["good", "good", "good"])
    made = matrix_figures(grades)
    assert made["matthews"].isna().all()
    assert made["macro_f1"].tolist() == pytest.approx([1, NAN], nan_ok=True)
    labels = label_table(grades, ARMS)
    assert labels.loc[labels["label"] == "bad", ["precision", "recall", "f1"]].isna().all(axis=None)
    assert np.isnan(accuracies(grades)["accuracy"][1])


def test_the_confusion_table_counts_answers_and_shares_items():
    grades = graded([["good", "bad"], ["good", "?"]], [["good"]] * 2, ["good", "good"])
    table = confusion_table(grades, ARMS)
    mine = table[(table["arm"] == "a") & (table["label"] == "good")].set_index("answered")
    assert mine["n"].to_dict() == {"bad": 1, "fair": 0, "good": 2, "garbage": 1}
    assert mine["share"].to_dict() == {"bad": 0.25, "fair": 0.0, "good": 0.5, "garbage": 0.25}
    assert len(table) == 2 * 3 * 4


def test_consistency_of_a_hand_worked_example():
    answers = [["good"] * 3, ["good", "good", "bad"], ["good", "bad", "?"], ["bad", "bad", "?"]]
    grades = graded(answers, [["good"]] * 4, ["good"] * 4)
    row = consistency(grades).iloc[0]
    assert (row["always_right"], row["never_right"], row["unstable"]) == (0.25, 0.25, 0.5)
    assert row["majority_accuracy"] == pytest.approx((1 + 1 + 1 / 3 + 0) / 4)
    assert (row["pass_n"], row["pass_n_of"]) == (0.25, 3)
    table = pass_table(grades, ARMS)
    mine = table[table["arm"] == "a"].set_index("k")["pass_power_k"]
    assert mine.to_dict() == pytest.approx({1: (1 + 2 / 3 + 1 / 3) / 4, 2: (1 + 1 / 3) / 4, 3: 0.25})
    other = consistency(grades).iloc[1]
    assert np.isnan(other["always_right"])  # one answer shows no consistency


def test_calibration_of_a_hand_worked_example_and_scikit_learns_brier_score():
    samples = frame("a", [["good"], ["bad"], ["good"], ["good"]])
    samples["confidence"] = [0.95, 0.85, 0.9, 0.1]
    typed = prepared(samples, ARMS)
    grades = grade(typed, truths(["good", "good", "good", "bad"]), None, LABELS)
    found = stated(typed, grades, None)
    row = calibration(found, 2, 4).iloc[0]
    # bins: [.1, .2) wrong at .1; [.8, .9) wrong at .85; [.9, 1] right at .95 and .9
    assert row["ece"] == pytest.approx(0.25 * 0.1 + 0.25 * 0.85 + 0.5 * 0.075)
    assert row["brier"] == pytest.approx(metrics.brier_score_loss([1, 0, 1, 0], [0.95, 0.85, 0.9, 0.1]))
    assert row["overconfidence"] == pytest.approx(0.7 - 0.5)
    table = calibration_table(found, ARMS)
    assert table.loc[table["arm"] == "a", "n_answers"].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 1, 2]
    assert len(table) == 20


def test_intervals_end_where_no_value_can_be():
    samples = frame("a", [["good"], ["bad"], ["good"]])
    samples["confidence"] = [0.9, 1.0, 1.0]
    typed = prepared(samples, ARMS)
    grades = grade(typed, truths(["good", "good", "good"]), None, LABELS)
    row = calibration(stated(typed, grades, None), 2, 3).iloc[0]
    # Student's t would go from -1.1 to 1.8, where no mean square of probabilities is
    assert (row["brier_ci_low"], row["brier_ci_high"]) == (0.0, 1.0)
    assert (row["overconfidence_ci_low"], row["overconfidence_ci_high"]) == (-1.0, 1.0)
    free = mean_interval("x", np.array([[0.0, 1.0, 0.0]]))
    assert float(free["x_ci_low"][0]) < 0
    assert float(free["x_ci_high"][0]) > 1


def test_an_answer_without_a_category_or_confidence_is_not_in_the_calibration():
    samples = frame("a", [["good", "?", "good"]])
    samples["confidence"] = [0.9, NAN, NAN]
    typed = prepared(samples, ARMS)
    found = stated(typed, grade(typed, truths(["good"]), None, LABELS), None)
    assert found.confidence.tolist() == [0.9]


def test_score_errors_of_a_hand_worked_example():
    scores = {"item 0": [0.5, 0.7], "item 1": [-0.2, -0.2], "item 2": [0.0, NAN], "item 3": [NAN, NAN]}
    cells = [["good", "good"], ["good", "good"], ["good", "?"], ["?", "?"]]
    grades = graded(cells, cells, [None] * 4, [0.6, -0.5, 0.1, 0.3], scores=scores)
    row = score_errors(grades).iloc[0]
    assert (row["n_scored_items"], row["scored_share"]) == (3, 0.75)
    assert row["error_absolute"] == pytest.approx((0.1 + 0.3 + 0.1) / 3)
    assert row["error_rms"] == pytest.approx(np.sqrt((0.01 + 0.09 + 0.01) / 3))
    assert row["bias"] == pytest.approx((0 + 0.3 - 0.1) / 3)
    assert row["spearman"] == pytest.approx(1)
    assert np.isnan(row["spearman_ci_low"])


def test_rank_correlation_agrees_with_scipy_and_its_interval_with_the_formula():
    from scipy import stats

    from bench.analysis.score_error import rank_correlation

    rng = np.random.default_rng(3)
    x = np.round(rng.normal(size=40), 1)
    y = np.round(x + rng.normal(size=40), 1)
    r, low, high = rank_correlation(x, y)
    assert r == pytest.approx(stats.spearmanr(x, y).statistic)
    half = 1.959964 * np.sqrt((1 + r**2 / 2) / 37)
    assert (low, high) == pytest.approx(
        (np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)), abs=1e-6
    )


def test_flips_and_the_paired_difference_of_a_hand_worked_example():
    of_a = [["good", "good"], ["good", "bad"], ["bad", "bad"], ["good", "good"]]
    of_b = [["good", "good"], ["good", "good"], ["good", "good"], ["bad", "bad"]]
    grades = graded(of_a, of_b, ["good"] * 4)
    row = quality_pair_table(grades, [Comparison("quantization", "a", "b", "")]).iloc[0]
    assert (row["accuracy_a"], row["accuracy_b"], row["n_items"]) == (0.625, 0.75, 4)
    assert row["accuracy_difference"] == pytest.approx(-0.125)
    assert row["right_to_wrong"] == pytest.approx((0 + 0.5 + 1 + 0) / 4)
    assert row["wrong_to_right"] == pytest.approx(1 / 4)
    # an even split is not a majority, so the second item turned too
    assert (row["n_right_to_wrong"], row["n_wrong_to_right"]) == (2, 1)
    assert row["mcnemar_p"] == 1
    sd = np.std([0, -0.5, -1, 1], ddof=1)
    assert row["ci_low"] == pytest.approx(-0.125 - 3.182446 * sd / 2, rel=1e-6)


def test_further_paired_differences_of_a_hand_worked_example():
    of_a = [["good", "good"], ["good", "?"], ["bad", "?"], ["good", "good"]]
    of_b = [["good", "good"], ["good", "good"], ["good", "bad"], ["good", "bad"]]
    samples = pd.concat(
        [frame("a", of_a, confidence=0.9), frame("b", of_b, confidence=0.6)], ignore_index=True
    )
    typed = prepared(samples, ARMS)
    grades = grade(typed, truths(["good"] * 4, [0.5, 0.0, 0.0, -0.5]), None, LABELS)
    found = stated(typed, grades, None)
    row = quality_pair_table(grades, [Comparison("quantization", "a", "b", "")], found).iloc[0]
    assert row["garbage_difference"] == pytest.approx((0.5 + 0.5) / 4)
    assert row["always_right_difference"] == pytest.approx((1 + 0 + 0 + 1) / 4 - (1 + 1 + 0 + 0) / 4)
    assert row["pass_n_difference"] == pytest.approx(0.0)
    # garbage states no confidence that counts: the items' means are over the other answers
    brier_a = (0.01 + 0.01 + 0.81 + 0.01) / 4
    brier_b = (0.16 + 0.16 + (0.16 + 0.36) / 2 + (0.16 + 0.36) / 2) / 4
    assert row["brier_difference"] == pytest.approx(brier_a - brier_b)
    assert row["brier_ci_low"] < row["brier_difference"] < row["brier_ci_high"]
    assert row["bias_difference"] == pytest.approx(0.0)


def test_labels_are_compared_one_by_one():
    of_a = [["good"], ["bad"], ["bad"], ["bad"]]
    of_b = [["good"], ["good"], ["bad"], ["good"]]
    grades = graded(of_a, of_b, ["good", "good", "bad", "bad"])
    table = label_pair_table(grades, [Comparison("quantization", "a", "b", "")]).set_index("label")
    assert table.loc["good", "recall_difference"] == pytest.approx(1 / 2 - 1)
    assert table.loc["good", "precision_difference"] == pytest.approx(1 - 2 / 3)
    assert table.loc["bad", "f1_difference"] == pytest.approx(2 * 2 / (2 + 3) - 2 * 1 / (2 + 1))
    assert table["recall_ci_low"].min() >= -1
    assert table.loc["fair"].filter(like="difference").isna().all()
    assert table["n_items"].to_dict() == {"bad": 2, "fair": 0, "good": 2}


def test_garbage_stands_among_the_labels_with_the_share_of_answers_it_has():
    grades = graded([["good", "?"], ["?", "?"]], [["good"]] * 2, ["good", "good"])
    table = label_table(grades, ARMS)
    mine = table[(table["arm"] == "a") & (table["label"] == GARBAGE)].iloc[0]
    assert mine["answered_share"] == pytest.approx(0.75)
    assert mine["n_items"] == 0
    assert np.isnan(mine["precision"])


@pytest.mark.parametrize("seed", [1, 2])
def test_bins_of_the_reliability_plot_are_scikit_learns(seed):
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0, 1, 80)
    answers = [["good"] if rng.random() < c else ["bad"] for c in confidence]
    samples = frame("a", answers)
    samples["confidence"] = confidence
    typed = prepared(samples, ARMS)
    found = stated(typed, grade(typed, truths(["good"] * 80), None, LABELS), None)
    table = calibration_table(found, ARMS)
    mine = table[(table["arm"] == "a") & (table["n_answers"] > 0)]
    share, mean = calibration_curve([a == ["good"] for a in answers], confidence, n_bins=10)
    np.testing.assert_allclose(mine["share_right"], share)
    np.testing.assert_allclose(mine["mean_confidence"], mean)


def test_mcnemar_is_the_exact_binomial_test():
    from statsmodels.stats.contingency_tables import mcnemar

    p = mcnemar_p(np.array([9, 0]), np.array([2, 0]))
    assert p[0] == pytest.approx(mcnemar([[5, 9], [2, 5]], exact=True).pvalue)
    assert np.isnan(p[1])


def test_two_equal_arms_differ_in_nothing():
    truth, of_a, _, _ = random_grades(7)
    grades = graded(of_a, of_a, truth)
    row = quality_pair_table(grades, [Comparison("aa", "a", "b", "")]).iloc[0]
    assert (row["accuracy_difference"], row["macro_f1_difference"], row["matthews_difference"]) == (0, 0, 0)
    assert np.isnan(row["macro_f1_ci_low"])
    assert row["note"] == "not testable: all item differences are equal"


def test_paired_intervals_are_narrower_than_two_single_ones():
    truth, of_a, _, _ = random_grades(8, n_items=80)
    of_b = [cell if i % 10 else ["?"] * len(cell) for i, cell in enumerate(of_a)]
    grades = graded(of_a, of_b, truth)
    single = matrix_figures(grades)
    row = quality_pair_table(grades, [Comparison("quantization", "a", "b", "")]).iloc[0]
    width = row["macro_f1_ci_high"] - row["macro_f1_ci_low"]
    assert width < single["macro_f1_ci_high"][0] - single["macro_f1_ci_low"][0]
    assert row["macro_f1_ci_low"] < row["macro_f1_difference"] < row["macro_f1_ci_high"]


def test_a_run_without_any_truth_has_no_quality_tables():
    samples = pd.concat([frame("a", [["good"]] * 3), frame("b", [["good"]] * 3)], ignore_index=True)
    made = build_tables(samples, ARMS, truth=truths([None] * 3))
    assert not {"quality", "confusion", "quality_pairs"} & set(made)


def test_tables_of_a_labelled_run_are_complete_and_the_same_each_time():
    samples = pd.concat(
        [frame("a", [["good", "bad"]] * 3), frame("b", [["good", "good"]] * 3)], ignore_index=True
    )
    truth = truths(["good", "bad", "good"], [0.1, -0.2, 0.3])
    one = build_tables(samples, ARMS, truth=truth, labels=LABELS)
    two = build_tables(samples, ARMS, truth=truth, labels=LABELS)
    for name in ("quality", "quality_pairs", "quality_labels", "confusion", "consistency", "calibration"):
        pd.testing.assert_frame_equal(one[name], two[name])
        assert len(one[name])
