"""From answers to verdicts, exit codes and ranks."""

from pathlib import Path

import pytest

from bench.config import Config, GateConfig
from bench.errors import UsageError
from bench.gate import arm_verdict, chosen, judge_run, p_gate
from bench.records import GateAnswer, LoadedModel, Outcome
from bench.reports.headline import headline
from tests.builders import spec
from tests.gate_runs import steady, write_run

FP16, Q8, Q4 = (spec(quant).arm for quant in ("fp16", "q8_0", "q4_K_M"))


def answer(verdict="pass", p_value=0.01, applies=True):
    return GateAnswer(verdict=verdict, reason=f"because {verdict}", p_value=p_value, applies=applies)


def run_of(**arms):
    """A run with a good baseline."""
    return write_run({"fp16": steady(seed=1), **arms})


def verdicts(result):
    return {arm.arm: arm.verdict for arm in result.arms}


def config(**fields):
    model = {"family": "tiny", "variant": "base", "quants": ["q8_0"], "backend": "fake", "ref": "x"}
    return Config.model_validate({"models": (model,), **fields})


# ---------------------------------------------------------------- one arm


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "not_testable"], "not_enough_data"),
        (["not_enough_data", "pass"], "not_enough_data"),
        (["not_enough_data", "fail"], "fail"),
    ],
)
def test_the_worst_answer_decides(words, verdict):
    found = {str(place): answer(word) for place, word in enumerate(words)}
    assert arm_verdict(found, [], is_baseline=False)[0] == verdict


def test_an_invalid_measurement_outweighs_a_fail():
    assert arm_verdict({"mean": answer("fail")}, ["why"], is_baseline=False) == (
        "measurement_invalid",
        ("why",),
    )


def test_what_a_task_does_not_have_does_not_hold_an_arm_up():
    found = {"valid": answer(), "labels": answer("not_testable", None, applies=False)}
    assert arm_verdict(found, [], is_baseline=False)[0] == "pass"
    assert p_gate(found) == 0.01


def test_p_is_the_largest_of_the_questions():
    assert p_gate({"a": answer(p_value=0.01), "b": answer(p_value=0.04), "c": answer(p_value=None)}) == 0.04
    assert p_gate({"a": answer(), "b": answer("not_testable", None)}) is None


# ---------------------------------------------------------------- a run


def test_an_arm_like_its_baseline_passes_and_the_baseline_is_reported():
    result = judge_run(run_of(q8_0=steady(seed=2)))
    assert verdicts(result) == {FP16: "baseline", Q8: "pass"}
    assert (result.exit_code, result.baseline, result.run_id) == (0, FP16, "r")
    assert list(result.arms[1].questions) == [
        "quality",
        "fine_tuning",
        "valid",
        "mean",
        "rms",
        "variance",
        "labels",
    ]
    compared = {name: found.verdict for name, found in result.arms[1].questions.items()}
    assert compared.pop("quality") == "not_testable"  # no article has a label
    assert compared.pop("fine_tuning") == "not_testable"
    assert set(compared.values()) == {"pass"}


def test_a_shifted_arm_fails_with_the_reason():
    result = judge_run(run_of(q8_0=steady(seed=2), q4_K_M=steady(seed=3, shift=0.15)))
    assert (verdicts(result)[Q4], result.exit_code) == ("fail", 1)
    assert result.arms[2].reasons[0].startswith("mean: ")


def test_a_small_run_is_not_enough_data():
    small = {"fp16": steady(10, 3, 1), "q8_0": steady(10, 3, 2)}
    result = judge_run(write_run(small))
    assert (verdicts(result)[Q8], result.exit_code) == ("not_enough_data", 3)


def test_a_fail_outweighs_missing_data_of_another_arm():
    arms = {"q8_0": [cell[:2] for cell in steady(seed=2)][:30], "q4_K_M": steady(seed=3, shift=0.15)}
    result = judge_run(run_of(**arms))
    assert set(verdicts(result).values()) == {"baseline", "not_enough_data", "fail"}
    assert result.exit_code == 1


def test_what_needs_more_data_is_as_in_the_pairs_table():
    from bench.report import make_report

    folder = run_of(q8_0=steady(seed=2))
    pairs = make_report(folder, Path("reports"), Path("heatmaps"), only=[]).tables["pairs"].iloc[0]
    judged = judge_run(folder).arms[1]
    assert judged.n_articles == pairs["n_articles"] == 40
    assert judged.n_articles_needed == pairs["n_articles_needed"]
    assert judged.n_iterations_needed == pairs["n_iterations_needed"]
    assert judged.questions["rms"].upper == pytest.approx(pairs["rms_drift_upper"])


def test_margins_come_from_the_present_config_as_fractions_of_half_the_range():
    folder = run_of(q8_0=steady(seed=2, shift=0.15))
    loose = config(gate=GateConfig(mean=0.3, rms=0.3, labels=0.5))
    result = judge_run(folder, loose)
    assert verdicts(result)[Q8] == "pass"
    assert result.margins["mean"] == result.arms[1].questions["mean"].margin == 0.3


def test_a_run_without_samples_is_a_usage_error():
    with pytest.raises(UsageError, match="has no samples"):
        judge_run(write_run({"fp16": [[]], "q8_0": [[]]}, iterations=1))


# ---------------------------------------------------------------- selection


def three_arms():
    return judge_run(run_of(q8_0=steady(seed=2), q4_K_M=steady(seed=3, shift=0.15)))


@pytest.mark.parametrize("pattern", ["*q8*", "q8_0@*", "tiny/base/q8_0@fake", "q8_0", "base/q8_0"])
def test_only_the_arms_asked_for_are_judged_beside_their_baseline(pattern):
    result = chosen(three_arms(), [pattern])
    assert verdicts(result) == {FP16: "baseline", Q8: "pass"}
    assert result.exit_code == 0


def test_a_pattern_that_fits_nothing_is_an_error_that_names_the_arms():
    with pytest.raises(UsageError, match=r"'int2' fits no arm of this run; there are: tiny/base/fp16@fake"):
        chosen(three_arms(), ["int2"])


def test_a_baseline_alone_is_judged_by_its_floor():
    good = chosen(three_arms(), ["fp16"])
    assert (verdicts(good), good.exit_code) == ({FP16: "baseline"}, 0)
    broken = [[Outcome.NOT_JSON] * 15] * 40
    bad = judge_run(write_run({"fp16": broken}, run_id="bad"))
    assert (verdicts(bad), bad.exit_code) == ({FP16: "baseline"}, 1)
    assert "it falls short by itself: tiny/base/fp16@fake: 600 of 600" in headline(bad).summary
    assert headline(good).summary.endswith("none is judged.")


def test_holm_over_candidates_can_withhold_a_pass():
    arms = {f"q{i}": steady(seed=10 + i) for i in range(6)}
    result = judge_run(write_run({"fp16": steady(seed=1), **arms}, specs=None))
    assert result.exit_code == 0
    strict = chosen(result, family_wise=True)
    candidate = strict.arms[1]
    assert candidate.p_gate is not None
    assert candidate.p_family is not None
    assert candidate.p_family > candidate.p_gate
    margin = GateConfig(valid_drop=0.025, valid_floor=0.9)
    tight = chosen(judge_run(Path("sentiments/r"), config(gate=margin)), family_wise=True)
    assert {arm.verdict for arm in tight.arms[1:]} == {"not_enough_data"}
    assert tight.arms[1].reasons[0].startswith("family-wise")


def test_arms_that_pass_are_ranked_by_size_where_nothing_was_timed():
    loaded = {"q8_0": LoadedModel(file_bytes=80), "q4_K_M": LoadedModel(file_bytes=40)}
    scores = {"fp16": steady(seed=1), "q8_0": steady(seed=2), "q4_K_M": steady(seed=3)}
    result = judge_run(write_run(scores, loaded=loaded))
    assert {arm.arm: arm.rank for arm in result.arms} == {FP16: None, Q8: 2, Q4: 1}
