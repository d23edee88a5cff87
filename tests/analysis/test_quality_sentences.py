"""What the tables of quality say in words."""

import pandas as pd

from bench.analysis.quality_sentences import MOST_NAMED, quality_sentences
from tests.analysis.builders import arm_rows
from tests.builders import spec

NAN = float("nan")
NONE = pd.DataFrame()
NO_PAIRS = NONE.reindex(columns=["kind"])
SPECS = [spec(f"q{i}") for i in range(MOST_NAMED + 1)]


def quality(shares, **columns):
    fields = [{"arm": one.arm, "quant": one.quant, "variant": "base"} for one in SPECS[: len(shares)]]
    given = {"n_items": 40, "accuracy": shares, "accuracy_bounded_low": 0.6, "accuracy_bounded_high": 0.9}
    return arm_rows(*fields).assign(**{**given, **columns})


def pair(**fields):
    given = {"kind": "fine_tuning", "arm_a": "t", "arm_b": "b", "accuracy_difference": -0.005}
    given |= {"ci_low": -0.02, "ci_high": 0.01, "n_wrong_to_right": 1, "n_right_to_wrong": 3}
    return pd.DataFrame([{**given, **fields}])


def test_a_group_is_one_sentence_with_every_arms_accuracy_and_interval():
    said = quality_sentences(quality([0.8, 0.75]), NO_PAIRS, SPECS)
    assert said == [
        "tiny/base@fake, right answers over 40 items: q0 80.0 % (60.0 to 90.0), q1 75.0 % (60.0 to 90.0)."
    ]


def test_groups_that_differ_in_prompts_or_output_alone_have_names_of_their_own():
    few, strict = spec("q1", prompt_style="few_shot"), spec("q1", output="json_schema")
    found = quality([0.8, 0.7, 0.6]).assign(arm=[SPECS[0].arm, few.arm, strict.arm])
    said = [text.partition(",")[0] for text in quality_sentences(found, NO_PAIRS, [SPECS[0], few, strict])]
    assert said == ["tiny/base@fake", "tiny/base@fake+few_shot", "tiny/base@fake+json_schema"]


def test_a_repeat_is_told_from_the_arm_it_repeats():
    again = spec("q0", repeat_of=SPECS[0].arm)
    found = quality([0.8, 0.7]).assign(arm=[SPECS[0].arm, again.arm], quant="q0")
    (said,) = quality_sentences(found, NO_PAIRS, [SPECS[0], again])
    assert said.endswith("items: q0 80.0 % (60.0 to 90.0), q0 (repeat) 70.0 % (60.0 to 90.0).")


def test_a_large_group_is_told_by_its_best_and_its_worst():
    shares = [0.5 + i / 100 for i in range(MOST_NAMED + 1)]
    (said,) = quality_sentences(quality(shares), NO_PAIRS, SPECS)
    assert said.endswith("q8 58.0 % (60.0 to 90.0), q0 50.0 % (60.0 to 90.0).")


def test_an_arm_without_a_measured_item_is_left_out():
    (said,) = quality_sentences(quality([NAN, 0.5]), NO_PAIRS, SPECS)
    assert "q0" not in said
    assert quality_sentences(quality([NAN]), NO_PAIRS, SPECS) == []


def test_the_fine_tune_against_its_base_says_what_turned():
    (said,) = quality_sentences(NONE, pair(), SPECS)
    assert said == "t against b: right answers -0.5 points (-2.0 to +1.0); 1 items turned right, 3 wrong."
    assert quality_sentences(NONE, pair(kind="quantization"), SPECS) == []


def test_without_labels_the_error_of_the_score_is_said():
    found = pair(accuracy_difference=NAN, error_difference=0.02, error_ci_low=0.01, error_ci_high=0.03)
    assert quality_sentences(NONE, found, SPECS) == [
        "t against b: mean error of the score +0.020 (+0.010 to +0.030)."
    ]
    assert quality_sentences(NONE, pair(accuracy_difference=NAN), SPECS) == []


def test_nothing_right_is_not_said_to_be_less_than_nothing():
    (said,) = quality_sentences(quality([-1e-17], accuracy_bounded_low=-1e-17), NO_PAIRS, SPECS)
    assert "q0 0.0 % (0.0 to 90.0)" in said
