"""The gate, the sign-off and the comparison as a pipeline meets them."""

import json
from pathlib import Path

import pytest

from tests.cli.test_main import bench
from tests.gate_runs import steady, write_run


@pytest.fixture
def good():
    """A run in which one arm passes."""
    return write_run({"fp16": steady(seed=1), "q8_0": steady(seed=2)})


def test_a_pass_ends_with_0_and_says_every_question(good):
    done = bench("gate", "r")
    assert (done.returncode, Path("reports/r/gate.json").is_file()) == (0, True)
    assert "tiny/base/q8_0@fake: pass, against tiny/base/fp16@fake on 40 articles" in done.stdout
    for name in ("valid", "mean", "rms", "variance", "labels"):
        assert f"\n  {name} " in done.stdout
    assert "passes, place 1: tiny/base/q8_0@fake" in done.stdout


def test_json_on_stdout_is_gate_json(good):
    done = bench("gate", "r", "--json", "--junit", "out/gate.xml")
    assert done.stdout == Path("reports/r/gate.json").read_text()
    assert json.loads(done.stdout)["exit_code"] == 0
    assert Path("out/gate.xml").is_file()


def test_a_fail_ends_with_1_unless_it_is_not_asked_about():
    write_run({"fp16": steady(seed=1), "q8_0": steady(seed=2), "q4_K_M": steady(seed=3, shift=0.2)})
    assert bench("gate").returncode == 1
    assert bench("gate", "--arm", "*q8*").returncode == 0
    assert bench("gate", "--arm", "int2").returncode == 2


def test_too_little_data_ends_with_3_and_says_what_would_settle_it():
    write_run({"fp16": steady(10, 3, 1), "q8_0": steady(10, 3, 2)})
    done = bench("gate")
    assert done.returncode == 3
    assert "would settle it" in " ".join(done.stdout.split())


def test_later_readings_say_how_often_the_gate_was_read(good):
    bench("gate")
    assert "was read once before" in bench("gate").stdout


def test_a_required_sign_off_ends_with_12_until_it_is_given(good):
    assert bench("gate", "--require-approval").returncode == 12
    assert bench("report", "r", "--only", "csv,png").returncode == 0
    given = bench("approve", "r", "--arm", "q8_0", "--by", "Ann", "--note", "fine")
    assert given.stdout == "tiny/base/q8_0@fake: approved by Ann; the gate says: pass\n"
    assert bench("report", "r", "--only", "csv,png").returncode == 0
    assert bench("gate", "--require-approval", "--arm", "*q8*").returncode == 0
    Path("reports/r/tables/arms.csv").write_text("other")
    stale = bench("gate", "--require-approval")
    assert stale.returncode == 12
    assert "tables/arms.csv changed" in stale.stderr


def test_two_runs_are_compared_and_their_tables_written(good):
    write_run({"fp16": steady(seed=3), "q8_0": steady(seed=4)}, "s")
    done = bench("compare", "r", "s")
    assert done.returncode == 0
    assert "r minus s, paired by article" in done.stdout
    assert Path("reports/r-against-s/tables/pairs.csv").is_file()
    summary = json.loads(bench("compare", "r", "s", "--json").stdout)
    assert len(summary["pairs"]) == 2


def test_runs_that_asked_otherwise_end_with_2(good):
    write_run({"fp16": steady(seed=3)}, "s", config={"sampling": {"temperature": 1.0}})
    done = bench("compare", "r", "s")
    assert done.returncode == 2
    assert "sampling temperature: 0.2 against 1.0" in done.stderr


def test_a_name_that_controls_terminals_arrives_as_text_on_one_line(good):
    assert bench("report", "r", "--only", "csv,png").returncode == 0
    assert bench("approve", "r", "--arm", "q8_0", "--by", "\x1b[31mEve\n[/b]", "--note", "x").returncode == 0
    done = bench("gate", "--require-approval", "--arm", "*q8*")
    assert "approved by \\x1b[31mEve [/b], " in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_folder_is_no_junit_file(good):
    done = bench("gate", "--junit", ".")
    assert (done.returncode, done.stderr) == (2, "error: --junit .: this is a folder; give a file\n")
