"""Two-way repeated measures: R's values, and families that do not fill the square."""

import math

import numpy as np
import pandas as pd
import pytest

from bench.analysis.comparisons import arms_of
from bench.analysis.interaction import EFFECTS, INTERACTION_COLUMNS, squares, two_way
from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows, reference_frames, sample_rows

nan = float("nan")
R_VALUES = {
    # tests/reference/interaction.R: aov for f and p, car::Anova for epsilon and the corrected p
    "variant_f": 2.934447398219593,
    "variant_dof1": 1,
    "variant_dof2": 18,
    "variant_p_value": 0.103879463674556846,
    "variant_gg_epsilon": 1,
    "variant_p_gg": 0.103879463674556846,
    "quant_f": 0.488553931466316,
    "quant_dof1": 3,
    "quant_dof2": 54,
    "quant_p_value": 0.691676183090275121,
    "quant_gg_epsilon": 0.885819989300741,
    "quant_p_gg": 0.669472152200039,
    "interaction_f": 1.247884851723401,
    "interaction_dof1": 3,
    "interaction_dof2": 54,
    "interaction_p_value": 0.301495656584789440,
    "interaction_gg_epsilon": 0.723729947060496,
    "interaction_p_gg": 0.300295221352236,
}
SQUARE = [{"variant": v, "quant": q} for v in ("base", "fine-tuned") for q in ("fp16", "q4")]


def test_base_against_fine_tuned_llama3_is_what_r_finds():
    samples, arms = reference_frames()
    for family, variant in (("llama3-instruct", "base"), ("llama3-sentiment_analysis", "fine-tuned")):
        arms.loc[arms["family"] == family, ["family", "variant"]] = ["llama3", variant]
    (row,) = build_tables(samples, arms)["interaction"].to_dict("records")
    assert {name: row[name] for name in R_VALUES} == pytest.approx(R_VALUES, rel=1e-9)
    assert (row["family"], row["n_articles"], row["note"]) == ("llama3", 19, "")


def test_two_levels_of_two_factors_are_three_paired_t_tests():
    means = np.random.default_rng(3).normal(size=(8, 4))
    found = two_way(means, 2, 2)
    contrasts = {"variant": (1, 1, -1, -1), "quant": (1, -1, 1, -1), "interaction": (1, -1, -1, 1)}
    for effect in EFFECTS:
        d = means @ np.array(contrasts[effect])
        assert found[f"{effect}_f"] == pytest.approx((d.mean() / (d.std(ddof=1) / np.sqrt(8))) ** 2)
        assert found[f"{effect}_gg_epsilon"] == 1


def test_an_effect_without_variation_is_not_testable_and_the_others_are():
    generator = np.random.default_rng(4)
    article, tuned = generator.normal(size=(6, 1)), generator.normal(size=(6, 1))
    means = np.hstack([article, article + 0.1, article + tuned, article + tuned + 0.1])
    found = two_way(means, 2, 2)
    assert found["variant_f"] > 0
    assert math.isnan(found["quant_f"])
    assert math.isnan(found["interaction_p_gg"])


@pytest.mark.parametrize("n_articles", [0, 1])
def test_one_article_is_not_testable_and_says_so(n_articles):
    arms = arm_rows(*SQUARE)
    scores = {f"a{i}": [0.1, 0.2] for i in range(n_articles)}
    parts = [sample_rows(arm, {**scores, "empty": [nan]}) for arm in arms["arm"]]
    (row,) = build_tables(pd.concat(parts), arms)["interaction"].to_dict("records")
    assert math.isnan(row["interaction_f"])
    assert f"not testable: {n_articles} article" in row["note"]


def test_a_family_without_a_second_variant_or_quant_has_no_row():
    for fields in (SQUARE[:2], SQUARE[::2]):
        arms = arm_rows(*fields)
        made = build_tables(pd.concat([sample_rows(a, {"a": [0.1]}) for a in arms["arm"]]), arms)
        assert made["interaction"].empty
        assert tuple(made["interaction"].columns) == INTERACTION_COLUMNS


def test_quants_that_one_variant_lacks_are_left_out_and_named():
    arms = arm_rows(*SQUARE, {"variant": "base", "quant": "q8"})
    (square,) = squares(arms_of(arms))
    assert square.quants == ("fp16", "q4")
    assert "left out, not in every variant: q8" in square.note


def test_base_comes_first_and_differing_prompt_styles_are_said():
    few = [{**fields, "prompt_style": "few_shot"} for fields in SQUARE[:2]]
    (square,) = squares(arms_of(arm_rows(*SQUARE[2:], *few)))
    assert square.variants == ("base", "fine-tuned")
    assert "prompt styles differ (base few_shot, fine-tuned zero_shot)" in square.note


def test_with_several_styles_each_style_is_a_square_of_its_own():
    few = [{**fields, "prompt_style": "few_shot"} for fields in SQUARE]
    made = squares(arms_of(arm_rows(*SQUARE, *few)))
    assert [square.prompt_style for square in made] == ["few_shot", "zero_shot"]
    assert not any(square.note for square in made)
