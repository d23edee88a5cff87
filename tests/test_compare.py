"""The same arms in two runs."""

from pathlib import Path

import pytest

from bench.compare import compare_runs
from bench.errors import UsageError
from bench.records import LoadedModel
from tests.builders import spec
from tests.gate_runs import TASK, steady, write_run

Q8, FP16 = spec("q8_0").arm, spec("fp16").arm


def run(run_id, seed=1, shift=0.0, **options):
    return write_run({"q8_0": steady(10, 4, seed, shift), "fp16": steady(10, 4, seed + 1)}, run_id, **options)


def test_each_common_arm_is_compared_once_a_minus_b():
    result = compare_runs(run("a", 1, shift=0.1), run("b", 5))
    pairs = result.tables["pairs"]
    assert pairs["arm_a"].tolist() == [f"{Q8} [a]", f"{FP16} [a]"]
    assert pairs["arm_b"].tolist() == [f"{Q8} [b]", f"{FP16} [b]"]
    assert pairs["mean_difference"].tolist() == pytest.approx([0.1, 0.0], abs=0.05)
    assert set(result.tables["drift"]["arm_a"]) == set(pairs["arm_a"])
    assert len(result.tables["arms"]) == 4


def test_only_arms_that_fit_are_compared():
    assert compare_runs(run("a"), run("b"), patterns=["*q8*"]).arms == (Q8,)


def test_another_engine_is_named_and_compared():
    engines = ({"q8_0": LoadedModel(engine=f"engine {n}", digest="sha256:aa")} for n in (1, 2))
    a, b = (run(name, loaded=loaded) for name, loaded in zip("ab", engines, strict=True))
    assert compare_runs(a, b).differences == (f"{Q8}: engine engine 1 against engine 2",)


def test_equal_runs_differ_in_nothing_and_the_seed_is_said():
    result = compare_runs(run("a"), run("b"))
    assert result.differences == ()
    assert any("same seed" in note for note in result.notes)


def test_another_prompt_is_refused_and_named():
    other = {**TASK, "version": "2"}
    with pytest.raises(UsageError, match=r"prompt \(task version\): 1 against 2"):
        compare_runs(run("a"), run("b", task=other))


def test_another_sampling_is_refused_and_named():
    with pytest.raises(UsageError, match=r"sampling temperature: 0.2 against 0.7"):
        compare_runs(run("a"), run("b", config={"sampling": {"temperature": 0.7}}))


def test_another_seed_is_no_reason_to_refuse():
    config = {"sampling": {"temperature": 0.2, "seed": 9}}
    assert not any("same seed" in note for note in compare_runs(run("a"), run("b", config=config)).notes)


def test_other_articles_are_refused_and_named():
    a, b = run("a"), write_run({"q8_0": steady(12, 4)}, "b")
    with pytest.raises(UsageError, match=r"articles only in the second: [0-9a-f]{16}, "):
        compare_runs(a, b)


def test_another_title_is_another_prompt():
    with pytest.raises(UsageError, match="another title"):
        compare_runs(run("a"), run("b", titles={3: "Breaking"}))


def test_runs_without_a_common_arm_are_refused():
    a, b = write_run({"q8_0": steady(10, 4)}, "a"), write_run({"fp16": steady(10, 4)}, "b")
    with pytest.raises(UsageError, match="no arm is in both runs"):
        compare_runs(a, b)


def test_a_run_is_not_compared_with_itself():
    with pytest.raises(UsageError, match="the same run"):
        compare_runs(run("a"), Path("sentiments/a"))
