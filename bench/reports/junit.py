"""The gate's verdict as a JUnit file, for pipelines that show tests.

In: a GateResult. Out: XML, one test case per arm and question. A fail is a failure; what is not
settled, or a measurement that is not valid, is an error; what does not apply is skipped.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from bench import store
from bench.errors import UsageError, disk_errors
from bench.records import GateArm, GateResult
from bench.safe_text import inert


def write_junit(path: Path, result: GateResult) -> None:
    """Write the file, all or nothing; its folder is made. UsageError where the path is a folder."""
    if path.is_dir():
        raise UsageError(f"--junit {path}: this is a folder; give a file")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    store.write_whole(path, junit_bytes(result))


def junit_bytes(result: GateResult) -> bytes:
    """The document, the same bytes for the same verdict."""
    suite = ET.Element("testsuite", name=f"bench gate {result.run_id}")
    for arm in result.arms:
        _arm_cases(suite, arm)
    for name, kind in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        suite.set(name, str(len(list(suite.iter(kind)))))
    suite.set("skipped", str(len(list(suite.iter("skipped")))))
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"
    ).encode()


def _arm_cases(suite: ET.Element, arm: GateArm) -> None:
    invalid = arm.verdict == "measurement_invalid"
    measurement = ET.SubElement(suite, "testcase", classname=arm.arm, name="measurement")
    if invalid:
        _add(measurement, "error", "measurement_invalid", "; ".join(arm.reasons))
    for name, answer in arm.questions.items():
        case = ET.SubElement(suite, "testcase", classname=arm.arm, name=name)
        untested = answer.verdict == "not_testable"
        if invalid or not answer.applies or (untested and arm.verdict == "baseline"):
            _add(case, "skipped", "", "the measurement is not valid" if invalid else answer.reason)
        elif answer.verdict == "fail" and arm.verdict != "baseline":
            _add(case, "failure", "fail", answer.reason)
        elif answer.verdict in ("not_enough_data", "not_testable"):
            kind = "skipped" if arm.verdict == "baseline" else "error"
            _add(case, kind, answer.verdict, answer.reason)
    if arm.reasons and arm.reasons[0].startswith("family-wise"):
        case = ET.SubElement(suite, "testcase", classname=arm.arm, name="family-wise")
        _add(case, "error", "not_enough_data", arm.reasons[0])


def _add(case: ET.Element, kind: str, word: str, message: str) -> None:
    element = ET.SubElement(case, kind, message=inert(message))
    if word:
        element.set("type", word)
