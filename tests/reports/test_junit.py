"""The verdict as JUnit."""

from pathlib import Path
from xml.etree import ElementTree as ET

from bench.records import GateAnswer, GateArm, GateResult
from bench.reports.junit import junit_bytes, write_junit

WORDS = ("pass", "fail", "not_enough_data", "not_testable")


def result(verdict="fail", **fields):
    answers = {word: GateAnswer.model_validate({"verdict": word, "reason": "why <b>"}) for word in WORDS}
    answers["labels"] = GateAnswer(verdict="not_testable", reason="no labels", applies=False)
    arm = GateArm.model_validate({"arm": "f/v/q@b", "verdict": verdict, "questions": answers, **fields})
    return GateResult(run_id="r", baseline=None, margins={}, exit_code=1, arms=(arm,))


def kinds(document):
    cases = ET.fromstring(document).iter("testcase")
    return {case.get("name"): case[0].tag if len(case) else "passed" for case in cases}


def test_every_question_is_a_test_case():
    assert kinds(junit_bytes(result())) == {
        "measurement": "passed",
        "pass": "passed",
        "fail": "failure",
        "not_enough_data": "error",
        "not_testable": "error",
        "labels": "skipped",
    }


def test_an_invalid_measurement_is_one_error():
    found = kinds(junit_bytes(result("measurement_invalid", reasons=("digest",))))
    assert found.pop("measurement") == "error"
    assert set(found.values()) == {"skipped"}


def test_a_baseline_breaks_no_build():
    assert set(kinds(junit_bytes(result("baseline"))).values()) == {"passed", "skipped"}


def test_a_pass_that_holm_withholds_is_an_error():
    arm = result("not_enough_data", reasons=("family-wise: p 0.2",))
    assert kinds(junit_bytes(arm))["family-wise"] == "error"


def test_the_counts_are_in_the_suite_and_the_folder_is_made():
    write_junit(Path("new/gate.xml"), result())
    suite = ET.parse("new/gate.xml").getroot()[0]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["6", "1", "2", "1"]
