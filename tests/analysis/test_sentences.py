"""Words that say no more than the numbers do."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.sentences import finding, group_sentences, oriented
from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows, sample_rows
from tests.analysis.questions.evidence import asked

ROW = {
    "arm_a": "x",
    "arm_b": "y",
    "mean_difference": 0.1,
    "sd_difference": 0.256,
    "ci_low": -0.02,
    "ci_high": 0.22,
    "p_value": 0.2,
    "p_holm": 0.2,
    "tost_p": 0.9,
    "tost_margin": 0.05,
    "n_articles": 20,
    "n_articles_needed": 80.0,
    "note": "",
}


def test_a_difference_that_is_not_significant_is_not_called_a_pass():
    assert finding(ROW).startswith("not enough data, +0.100 (-0.020 to +0.220)")
    assert finding(ROW).endswith("the shift itself is near the margin")


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 80, 80), (0.03, 443, 460)])
def test_the_articles_that_would_settle_it_are_enough_for_the_shift_that_was_found(shift, least, most):
    said = finding({**ROW, "mean_difference": shift})
    n = int(said.partition(", about ")[2].partition(" articles")[0])
    # (1.645 x 0.256 / 0.02)^2 = 443.3, in steps of two percent
    assert least <= n <= most


def test_a_significant_difference_is_said():
    assert finding({**ROW, "p_holm": 0.01}) == "differs, +0.100 (-0.020 to +0.220)"


def test_a_significant_but_small_difference_is_said_to_be_small():
    assert "by less than the margin of 0.05" in finding({**ROW, "p_holm": 0.01, "tost_p": 0.01})


def test_equivalence_is_said_with_its_margin():
    assert finding({**ROW, "tost_p": 0.01}).startswith("stays within the margin of 0.05")


def test_what_is_not_testable_says_why():
    nan = float("nan")
    row = {
        **ROW,
        "n_articles": 1,
        "p_value": nan,
        "note": "prompt styles differ, a; not testable: one article only; other",
    }
    assert finding(row) == "not testable: one article only"


@pytest.mark.parametrize(("shift", "said"), [(0.0, "stays within"), (0.05, "stays within"), (0.1, "is past")])
def test_articles_that_all_move_alike_are_said_to_as_the_gate_judges_them(shift, said):
    arms = arm_rows({"arm": "b"}, {"arm": "a", "quant": "q8_0"})
    scores = {f"a{i}": [i / 10] * 2 for i in range(5)}
    moved = {article: [score + shift for score in given] for article, given in scores.items()}
    frame = pd.concat([sample_rows("b", scores), sample_rows("a", moved)])
    (sentence,) = group_sentences(build_tables(frame, arms)["pairs"], arms)
    words = f"q8_0 {said} the margin of 0.05, every article by {shift:+.3f} (an interval without width)."
    assert sentence.endswith(words)
    gate = asked("mean", list(moved.values()), list(scores.values()))
    assert gate["verdict"] == ("pass" if said == "stays within" else "fail")


def test_a_pair_asked_for_the_other_way_round_is_turned_to_its_baseline():
    turned = oriented(ROW, {"x"})
    assert (turned["arm_a"], turned["mean_difference"]) == ("y", -0.1)
    assert (turned["ci_low"], turned["ci_high"]) == (-0.22, 0.02)
    assert oriented(ROW, {"y"}) == ROW


def test_fine_tuning_with_other_prompts_says_so():
    generator = np.random.default_rng(0)
    arms = arm_rows(
        {"arm": "b", "group": "B", "prompt_style": "few_shot"}, {"arm": "t", "group": "T", "variant": "tuned"}
    )
    parts = [
        sample_rows(a, {f"a{i}": generator.normal(0, 0.3, 2).tolist() for i in range(5)}) for a in ("b", "t")
    ]
    (sentence,) = group_sentences(build_tables(pd.concat(parts), arms)["pairs"], arms)
    assert sentence.startswith("T against B (their prompt styles differ), mean score: fp16 ")


def test_a_repeat_against_its_arm_is_called_one():
    arms = arm_rows({"arm": "x"}, {"arm": "y", "repeat_of": "x"})
    parts = [sample_rows(a, {f"a{i}": [0.1 * i * (1 + (a == "y"))] for i in range(5)}) for a in ("x", "y")]
    (sentence,) = group_sentences(build_tables(pd.concat(parts), arms)["pairs"], arms)
    assert "(the same model, repeated), mean score: fp16 (repeat) against fp16 " in sentence
