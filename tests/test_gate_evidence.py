"""Baselines, and measurements that may not be trusted."""

import json

import pytest

from bench.config import Config
from bench.errors import UsageError
from bench.gate import chosen, judge_run
from bench.records import LoadedModel, Outcome
from tests.builders import spec
from tests.gate_runs import steady, write_run

FP16, Q8, Q4 = (spec(quant).arm for quant in ("fp16", "q8_0", "q4_K_M"))


def with_outcomes(outcome, n, scores):
    """The first n answers replaced."""
    cells = [list(cell) for cell in scores]
    for place in range(n):
        cells[place // 15][place % 15] = outcome
    return cells


def verdict_of(folder, arm=Q8, **options):
    return {found.arm: found for found in judge_run(folder, **options).arms}[arm]


@pytest.mark.parametrize(("n", "word"), [(6, "pass"), (7, "measurement_invalid")])
def test_more_than_1_percent_backend_errors_make_a_measurement_invalid(n, word):
    broken = with_outcomes(Outcome.BACKEND_ERROR, n, steady(seed=2))
    assert verdict_of(write_run({"fp16": steady(seed=1), "q8_0": broken})).verdict == word


@pytest.mark.parametrize("quant", ["q8_0", "fp16"])
def test_one_context_overflow_in_a_compared_arm_makes_it_invalid(quant):
    scores = {"fp16": steady(seed=1), "q8_0": steady(seed=2)}
    scores[quant] = with_outcomes(Outcome.CONTEXT_OVERFLOW, 1, scores[quant])
    folder = write_run(scores)
    found = verdict_of(folder)
    assert found.verdict == "measurement_invalid"
    assert "did not fit the context" in found.reasons[0]
    assert judge_run(folder).exit_code == 4


def test_an_overflow_in_another_arm_does_not_touch_this_one():
    other = with_outcomes(Outcome.CONTEXT_OVERFLOW, 1, steady(seed=3))
    folder = write_run({"fp16": steady(seed=1), "q8_0": steady(seed=2), "q4_K_M": other})
    assert (verdict_of(folder).verdict, verdict_of(folder, Q4).verdict) == ("pass", "measurement_invalid")


def test_a_changed_digest_makes_a_measurement_invalid():
    specs = {"fp16": spec("fp16"), "q8_0": spec("q8_0", digest="sha256:aa")}
    loaded = {"q8_0": LoadedModel(digest="sha256:bb")}
    scores = {"fp16": steady(seed=1), "q8_0": steady(seed=2)}
    found = verdict_of(write_run(scores, specs=specs, loaded=loaded))
    assert found.verdict == "measurement_invalid"
    assert "digest changed, sha256:aa to sha256:bb" in found.reasons[0]


# ---------------------------------------------------------------- baselines


def three(**options):
    scores = {"fp16": steady(seed=1), "q8_0": steady(seed=2), "q4_K_M": steady(seed=3)}
    return judge_run(write_run(scores), **options)


def baselines(result):
    return {found.arm: found.baseline for found in result.arms}


def test_a_quant_can_be_asked_for_as_baseline():
    assert baselines(three(baseline="q8_0")) == {FP16: Q8, Q8: None, Q4: Q8}


def test_the_configured_baseline_is_used():
    model = {"family": "tiny", "variant": "base", "quants": ["q8_0"], "backend": "fake", "ref": "x"}
    settings = Config.model_validate({"models": (model,), "baseline": "tiny/q4_K_M"})
    assert baselines(three(config=settings)) == {FP16: Q4, Q8: Q4, Q4: None}


def test_an_arm_asked_for_is_the_baseline_of_every_group():
    specs = {
        "a": spec("fp16"),
        "b": spec("fp16", variant="fine-tuned"),
        "c": spec("q8_0", variant="fine-tuned"),
    }
    folder = write_run({"a": steady(seed=1), "b": steady(seed=2), "c": steady(seed=3)}, specs=specs)
    a, b, c = (found.arm for found in specs.values())
    assert baselines(judge_run(folder)) == {a: None, b: None, c: b}
    assert judge_run(folder).baseline == "fp16"
    assert chosen(judge_run(folder), [c]).baseline == b
    result = judge_run(folder, baseline="base/fp16")
    assert (baselines(result), result.baseline) == ({a: None, b: a, c: a}, a)


def test_an_unknown_baseline_is_refused():
    with pytest.raises(UsageError, match="is no arm of this run"):
        three(baseline="int2")


def test_an_arm_without_baseline_is_not_enough_data():
    found = verdict_of(write_run({"q8_0": steady(seed=2), "q4_K_M": steady(seed=3)}))
    assert found.verdict == "not_enough_data"
    assert found.questions["valid"].verdict == "pass"
    assert found.questions["mean"].reason == "its group has no baseline"


def test_a_greedy_answer_stands_for_any_number_of_answers():
    once = [cell[:1] for cell in steady(70, 1, seed=1)]
    sampling = {"sampling": {"temperature": 0}}
    folder = write_run({"fp16": once, "q8_0": once}, config=sampling)
    assert verdict_of(folder).verdict == "pass"
    assert any("greedy" in note for note in judge_run(folder).notes)
    warm = write_run({"fp16": once, "q8_0": once}, run_id="warm")
    assert verdict_of(warm).questions["variance"].verdict == "not_testable"


def test_missing_samples_are_said():
    scores = {"fp16": steady(seed=1), "q8_0": [cell[:14] for cell in steady(seed=2)]}
    notes = judge_run(write_run(scores)).notes
    assert any("not complete, 1160 of 1200 samples" in note for note in notes)


# ---------------------------------------------------------------- settings


def settings_said(folder, config, **options):
    told = judge_run(folder, config, **options).notes
    return [note for note in told if not note.startswith("the articles carry no labels")]


def with_settings(**fields):
    arm = {"family": "tiny", "variant": "base", "quants": ["fp16"], "backend": "fake", "ref": "x"}
    return Config.model_validate({"models": [arm], **fields})


def test_a_configured_baseline_that_fits_nothing_is_said():
    folder = write_run({"fp16": steady(seed=1), "q8_0": steady(seed=2)})
    assert settings_said(folder, with_settings(baseline="q9")) == [
        "baseline q9: no arm of this run has it, so the usual ones were used"
    ]
    assert settings_said(folder, with_settings(baseline="q8_0")) == []
    assert settings_said(folder, with_settings(baseline="q9"), baseline="fp16") == []


def test_other_margins_and_another_baseline_than_the_runs_own_are_said():
    folder = write_run({"fp16": steady(seed=1), "q8_0": steady(seed=2)})
    path = folder / "manifest.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    own = {"gate": {"mean": 0.005}, "baseline": "q8_0"}
    path.write_text(json.dumps({**known, "config": own}), encoding="utf-8")
    assert settings_said(folder, None) == [
        "judged by other margins than those of the config it was measured with: mean 0.05 (then 0.005)",
        "the config it was measured with has baseline q8_0, the present one none",
    ]
    assert settings_said(folder, with_settings(gate={"mean": 0.005}, baseline="q8_0")) == []
    assert settings_said(folder, with_settings(gate={"mean": 0.005}), baseline="fp16") == []


@pytest.mark.parametrize("name", ["mean", "rms", "variance_ratio", "variance_abs"])
def test_a_margin_without_end_is_refused(name):
    with pytest.raises(ValueError, match="finite"):
        with_settings(gate={name: float("inf")})
