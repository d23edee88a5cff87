"""The verdicts in a few lines."""

from bench.records import ArmVerdict, GateArm, GateResult
from bench.reports.headline import about, headline


def arm(name: str, verdict: ArmVerdict, **fields: float) -> GateArm:
    return GateArm.model_validate({"arm": name, "verdict": verdict, "questions": {}, **fields})


def gate(*arms: GateArm) -> GateResult:
    return GateResult(run_id="r", baseline=None, margins={}, exit_code=0, arms=arms)


def test_the_cheapest_arm_that_passes_comes_first():
    found = headline(gate(arm("b", "pass", rank=2), arm("a", "pass", rank=1), arm("c", "baseline")))
    assert [one.arm for one in found.passing] == ["a", "b"]
    assert found.summary.startswith("2 of 2 candidates may be shipped")
    assert found.others == ()


def test_what_does_not_pass_is_named_by_verdict_the_worst_first():
    found = headline(gate(arm("a", "not_enough_data"), arm("b", "fail"), arm("c", "measurement_invalid")))
    assert found.summary == "None of 3 candidates may be shipped on this evidence."
    assert found.others == (("measurement_invalid", ("c",)), ("fail", ("b",)), ("not_enough_data", ("a",)))


def test_a_run_of_baselines_alone_says_that_nothing_is_judged():
    assert "none is judged" in headline(gate(arm("a", "baseline"))).summary


def test_costs_and_certainty_are_said_as_far_as_they_are_known():
    said = about(arm("a", "pass", seconds_per_valid=3.72, latency_ratio=0.44, p_gate=0.038))
    assert said == (
        "3.72 s per valid answer, 0.44 times the baseline's seconds; "
        "an arm just past a margin would look this good in at most 3.8 % of runs"
    )
    assert about(arm("a", "pass")) == ""
