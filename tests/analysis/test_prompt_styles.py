"""What the examples and a fine-tune are worth and cost: hand-worked values, and what is not claimed."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.analysis.prompt_styles import SHOTS, TUNING, style_pairs, style_table
from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows, sample_rows

ITEMS = [f"i{k}" for k in range(12)]
TRUTH = pd.DataFrame(
    {"article_id": ITEMS, "label": ["positive"] * 6 + ["negative"] * 6, "reference_score": np.nan}
).astype({"label": object})
RIGHT = {item: 0.5 if k < 6 else -0.5 for k, item in enumerate(ITEMS)}
ZERO = {"arm": "base", "prompt_style": "zero_shot"}
FEW = {"arm": "base+few", "prompt_style": "few_shot"}
TUNED = {"arm": "tuned", "variant": "fine-tuned", "prompt_style": "zero_shot"}


def answers(arm: str, n_right: int, prompt_tokens: float, seconds: float = np.nan) -> pd.DataFrame:
    """Two answers to each item: both right for the first `n_right`, else one right and one garbage."""
    scores = {item: [RIGHT[item], RIGHT[item] if k < n_right else np.nan] for k, item in enumerate(ITEMS)}
    return sample_rows(
        arm, scores, prompt_tokens=prompt_tokens, completion_tokens=10.0, duration_s=seconds, ttft_s=np.nan
    )


def table(*given: tuple[dict[str, str], pd.DataFrame], truth: pd.DataFrame | None = TRUTH) -> pd.DataFrame:
    samples = pd.concat([rows for _, rows in given], ignore_index=True)
    return build_tables(samples, arm_rows(*(arm for arm, _ in given)), truth=truth)["prompt_styles"]


def test_shots_are_compared_within_a_model_and_a_fine_tune_with_the_base_that_has_them():
    found = style_pairs(arm_rows(ZERO, FEW, TUNED, {**TUNED, "arm": "q8", "quant": "q8_0"}))
    assert [(p.kind, p.arm_a, p.arm_b) for p in found] == [
        (SHOTS, "base+few", "base"),
        (TUNING, "tuned", "base+few"),
    ]


@pytest.mark.parametrize("field", ["family", "quant", "backend", "output"])
def test_arms_that_differ_in_more_than_that_are_no_pair(field):
    assert not style_pairs(arm_rows(ZERO, {**FEW, field: "other"}))


def test_an_aa_arm_is_in_no_pair():
    assert not style_pairs(arm_rows(ZERO, {**FEW, "repeat_of": "base"}))


def test_a_run_of_one_style_has_no_table():
    rows = answers("base", 12, 100)
    assert "prompt_styles" not in build_tables(rows, arm_rows(ZERO), truth=TRUTH)


def test_worth_and_cost_are_those_worked_by_hand():
    # zero-shot: 4 items right twice and 8 once: 16 / 24; with examples 10 twice and 2 once: 22 / 24
    made = table((ZERO, answers("base", 4, 90)), (FEW, answers("base+few", 10, 390)))
    row = made.iloc[0]
    assert (row["measure"], row["n_articles"]) == ("accuracy", 12)
    assert row["value_a"] == pytest.approx(22 / 24)
    assert row["value_b"] == pytest.approx(16 / 24)
    differences = [0.0] * 4 + [0.5] * 6 + [0.0] * 2
    interval = stats.ttest_1samp(differences, 0).confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))
    assert row["p_value"] == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert row["tokens_ratio"] == pytest.approx(400 / 100)
    assert row["tokens_per_good_a"] == pytest.approx(400 / (22 / 24))
    assert row["tokens_per_good_b"] == pytest.approx(100 / (16 / 24))
    assert row["verdict"] == "better at more cost"
    assert row["answer"] == (
        "With its examples, base+few does better against base: right answers +25.0 points (+8.4 to +41.6); "
        "4.00 times the tokens, 436 instead of 150 tokens for a right answer."
    )


def test_a_fine_tune_that_is_better_and_saves_the_examples_pays_for_itself():
    made = table((FEW, answers("base+few", 4, 390, 2.0)), (TUNED, answers("tuned", 12, 90, 0.5)))
    row = made.iloc[0]
    assert (row["kind"], row["verdict"]) == (TUNING, "better at less cost")
    assert row["latency_ratio"] == pytest.approx(0.25)
    assert row["seconds_per_good_a"] == pytest.approx(0.5)
    assert row["seconds_per_good_b"] == pytest.approx(2.0 / (16 / 24))
    assert row["answer"].startswith("Fine-tuned, without examples, tuned does better against base+few")


def test_no_difference_shown_is_undecided_and_never_called_equal():
    row = table((ZERO, answers("base", 6, 90)), (FEW, answers("base+few", 7, 390))).iloc[0]
    assert row["verdict"] == "undecided at more cost"
    assert "no difference is shown" in row["answer"]


def test_equal_answers_to_every_item_are_undecided_and_say_why():
    row = table((ZERO, answers("base", 6, 90)), (FEW, answers("base+few", 6, 390))).iloc[0]
    assert np.isnan(row["p_value"])
    assert row["verdict"] == "undecided at more cost"
    assert row["note"] == "not testable: all article differences are equal"


def test_an_unknown_cost_is_not_said():
    row = table((ZERO, answers("base", 4, np.nan)), (FEW, answers("base+few", 10, np.nan))).iloc[0]
    assert row["verdict"] == "better"
    assert "tokens" not in row["answer"]


def test_without_right_answers_validity_is_compared_and_said_to_be_that():
    row = table((ZERO, answers("base", 4, 90)), (FEW, answers("base+few", 10, 390)), truth=None).iloc[0]
    assert row["measure"] == "valid_rate"
    assert "valid answers +25.0 points" in row["answer"]
    assert "for a valid answer" in row["answer"]


def test_of_reference_scores_a_smaller_error_is_better():
    truth = TRUTH.assign(label=None, reference_score=[0.5] * 6 + [-0.5] * 6)
    near = {item: [RIGHT[item] + 0.1 * (k % 3), RIGHT[item]] for k, item in enumerate(ITEMS)}
    far = {item: [RIGHT[item] + 0.4, RIGHT[item] + 0.01 * k] for k, item in enumerate(ITEMS)}
    row = table((ZERO, sample_rows("base", far)), (FEW, sample_rows("base+few", near)), truth=truth).iloc[0]
    assert row["measure"] == "absolute_error"
    assert row["difference"] < 0
    assert row["verdict"] == "better"


def test_p_is_corrected_over_the_pairs_of_one_kind():
    quants = [
        {**arm, "arm": f"{arm['arm']}/{q}", "quant": q} for q in ("q4_0", "q8_0") for arm in (ZERO, FEW)
    ]
    rows = [answers(arm["arm"], 10 if "few" in arm["arm"] else 4, 90) for arm in quants]
    made = table(*zip(quants, rows, strict=True))
    assert made["p_holm"].tolist() == pytest.approx((2 * made["p_value"]).tolist())


def test_a_failed_measurement_is_neither_worth_nor_cost():
    rows = answers("base+few", 10, 390)
    failed = rows.iloc[:1].assign(
        iteration=9, outcome="backend_error", valid=False, score=np.nan, prompt_tokens=np.nan
    )
    with_one = table((ZERO, answers("base", 4, 90)), (FEW, pd.concat([rows, failed], ignore_index=True)))
    without = table((ZERO, answers("base", 4, 90)), (FEW, rows))
    pd.testing.assert_frame_equal(with_one, without)


def test_no_pairs_make_an_empty_table_with_its_keys():
    assert list(style_table(pd.DataFrame(), None, arm_rows(ZERO)).columns) == ["kind", "arm_a", "arm_b"]  # type: ignore[arg-type]
