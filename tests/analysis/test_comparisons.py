"""Which pairs make themselves, which way round, and what is said about them."""

import pandas as pd
import pytest

from bench.analysis.comparisons import Comparison, baseline_arms, baseline_notes, make_comparisons
from tests.analysis.builders import arm_rows


def arms(*names: str, **fields: str) -> pd.DataFrame:
    """Arms called variant/quant, with the same other fields."""
    parts = [name.split("/") for name in names]
    return arm_rows(
        *({"arm": n, "variant": v, "quant": q, **fields} for n, (v, q) in zip(names, parts, strict=True))
    )


def triples(comparisons: list[Comparison]) -> list[tuple[str, str, str]]:
    return [(c.kind, c.arm_a, c.arm_b) for c in comparisons]


def test_each_quant_is_compared_with_its_groups_fp16():
    made = make_comparisons(arms("base/q4", "base/fp16", "base/q8"), [])
    assert triples(made) == [
        ("quantization", "base/q4", "base/fp16"),
        ("quantization", "base/q8", "base/fp16"),
    ]


@pytest.mark.parametrize(
    ("quants", "reference"),
    [(["q4", "bf16", "fp32"], "bf16"), (["q4", "fp32"], "fp32"), (["q4", "q8"], None)],
)
def test_without_fp16_the_baseline_is_bf16_then_fp32_then_none(quants, reference):
    found = baseline_arms(arms(*(f"base/{q}" for q in quants)))
    assert list(found.values()) == ([f"base/{reference}"] if reference else [])


def test_a_group_without_a_baseline_is_named():
    (note,) = baseline_notes(arms("base/q4", "base/q8"))
    assert "no baseline among q4, q8" in note


def test_the_configured_baseline_wins_over_fp16():
    made = make_comparisons(arms("base/q4", "base/fp16", "base/q8"), [], baseline="q8")
    assert {c.arm_b for c in made} == {"base/q8"}


def test_a_configured_baseline_that_no_arm_has_is_said():
    (note,) = baseline_notes(arms("base/fp16"), "int3")
    assert "int3" in note


def test_a_variant_is_compared_with_base_at_the_same_quant():
    made = make_comparisons(arms("base/q4", "tuned/q4", "tuned/q8"), [])
    assert triples(made) == [("fine_tuning", "tuned/q4", "base/q4")]


def test_differing_prompt_styles_are_compared_and_said_where_each_variant_has_one():
    both = arm_rows(
        {"arm": "b", "prompt_style": "few_shot"},
        {"arm": "t", "variant": "tuned", "prompt_style": "zero_shot"},
    )
    (made,) = make_comparisons(both, [])
    assert made.kind == "fine_tuning"
    assert "prompt styles differ" in made.note


def test_with_several_styles_only_equal_ones_are_compared():
    three = arm_rows(
        {"arm": "b0", "prompt_style": "zero_shot"},
        {"arm": "b5", "prompt_style": "few_shot"},
        {"arm": "t0", "variant": "tuned", "prompt_style": "zero_shot"},
    )
    assert triples(make_comparisons(three, [])) == [("fine_tuning", "t0", "b0")]


def test_families_and_backends_are_never_mixed_by_themselves():
    other = arm_rows(
        {"arm": "b"},
        {"arm": "f", "family": "other", "variant": "tuned"},
        {"arm": "k", "backend": "hf", "variant": "tuned"},
    )
    assert make_comparisons(other, []) == []


def test_a_configured_pair_keeps_its_orientation_and_its_automatic_kind():
    made = make_comparisons(arms("base/q4", "base/fp16"), [("base/fp16", "base/q4")])
    assert triples(made) == [("quantization", "base/fp16", "base/q4")]


def test_another_configured_pair_is_custom_and_there_once():
    names = arms("base/q4", "base/q8")
    made = make_comparisons(names, [("base/q4", "base/q8"), ("base/q4", "base/q8")])
    assert triples(made) == [("custom", "base/q4", "base/q8")]


def test_an_unknown_arm_is_an_error():
    with pytest.raises(ValueError, match="nowhere"):
        make_comparisons(arms("base/q4"), [("base/q4", "nowhere")])


def test_an_arm_that_repeats_another_is_compared_with_it_and_with_nothing_else():
    repeat = {"arm": "again", "variant": "base", "quant": "q4", "repeat_of": "base/q4"}
    frame = pd.concat([arms("base/fp16", "base/q4", "tuned/q4"), arm_rows(repeat)], ignore_index=True)
    assert triples(make_comparisons(frame, [])) == [
        ("quantization", "base/q4", "base/fp16"),
        ("fine_tuning", "tuned/q4", "base/q4"),
        ("aa", "again", "base/q4"),
    ]


def test_a_repeat_of_the_baseline_is_not_a_second_baseline():
    repeat = {"arm": "again", "variant": "base", "quant": "fp16", "repeat_of": "base/fp16"}
    frame = pd.concat([arm_rows(repeat), arms("base/fp16", "base/q4")], ignore_index=True)
    assert set(baseline_arms(frame).values()) == {"base/fp16"}
    assert triples(make_comparisons(frame, []))[-1] == ("aa", "again", "base/fp16")


def test_a_repeat_of_an_arm_that_is_not_there_is_compared_with_nothing():
    assert make_comparisons(arm_rows({"arm": "again", "repeat_of": "gone"}), []) == []


def engines(*named: tuple[str, str], **fields: str) -> pd.DataFrame:
    """Arms (quant, backend) of one model."""
    return arm_rows(
        *(
            {"arm": f"{quant}@{backend}", "quant": quant, "backend": backend, "group": backend, **fields}
            for quant, backend in named
        )
    )


def test_the_same_quantization_on_two_engines_is_compared_and_said():
    (made,) = make_comparisons(engines(("fp16", "llama_cpp"), ("fp16", "hf"), ("fp32", "openai_api")), [])
    assert (made.kind, made.arm_a, made.arm_b) == ("engine", "fp16@hf", "fp16@llama_cpp")
    assert made.note.startswith("engines differ, hf against llama_cpp")


def test_a_configured_pair_across_engines_is_said():
    frame = engines(("fp16", "llama_cpp"), ("nf4", "hf"))
    (made,) = make_comparisons(frame, [("nf4@hf", "fp16@llama_cpp")])
    assert made.kind == "custom"
    assert "engines differ" in made.note


def test_other_families_and_variants_are_not_compared_across_engines():
    frame = pd.concat([engines(("fp16", "hf")), engines(("fp16", "llama_cpp"), variant="tuned")])
    assert make_comparisons(frame.reset_index(drop=True), []) == []
