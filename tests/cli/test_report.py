"""`bench report` as a person or a script meets it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.app import app
from bench.errors import BenchError
from tests.test_report import ARTICLES, SPECS, UNLABELLED, write_run


def bench(*arguments: str):
    """The command in this process: what it printed, or the error it ended with."""
    result = CliRunner().invoke(app, ["report", *arguments])
    if isinstance(result.exception, BenchError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_the_table_goes_to_stdout_and_the_paths_to_stderr():
    write_run(completion={"duration_s": 1.5, "batch_size": 1})
    result = bench("r", "--only", "csv")
    assert "tiny/base@fake" in result.stdout
    assert "right" in result.stdout
    assert "baseline" in result.stdout
    assert "1.50" in result.stdout
    assert "reports/r/tables/arms.csv" in result.stderr
    assert "reports/" not in result.stdout


def test_a_repeat_is_named_as_one_and_called_no_candidate():
    write_run(specs=[*SPECS, SPECS[1].model_copy(update={"repeat_of": SPECS[1].arm})])
    said = bench("r", "--only", "csv").stdout
    (row,) = [line for line in said.splitlines() if line.startswith(" fp16 (repeat) ")]
    assert row.rstrip().endswith("no candidate")


def test_latest_is_the_default_run():
    write_run()
    assert "tiny/base@fake" in bench("--only", "csv").stdout


def test_json_is_one_object_without_nan():
    write_run()
    summary = json.loads(bench("r", "--only", "csv", "--json").stdout, parse_constant=pytest.fail)
    assert [arm["arm"] for arm in summary["arms"]] == [s.arm for s in SPECS]
    assert summary["arms"][0]["duration_mean_s"] is None
    assert summary["pairs"][0]["kind"] == "quantization"
    assert "reports/r/tables/pairs.csv" in summary["files"]


def test_without_labels_it_says_what_agreement_is_not():
    write_run(UNLABELLED)
    assert "agreement with the baseline, not correctness" in bench("r", "--only", "csv").stdout


def test_square_brackets_in_a_name_are_shown_as_they_are():
    write_run(ARTICLES, run_id="r[/b]")
    bench("r[/b]", "--only", "csv")


def test_compare_adds_a_pair():
    write_run()
    summary = json.loads(bench("r", "--only", "csv", "--json", "--compare", "fp16::q8_0").stdout)
    assert summary["pairs"][0]["arm_a"] == SPECS[1].arm


@pytest.mark.parametrize("text", ["a", "a::", "a::b::c"])
def test_a_comparison_that_is_not_two_arms_is_refused(text):
    write_run()
    with pytest.raises(BenchError, match="write two arms as A::B"):
        bench("r", "--compare", text)


def test_a_config_that_is_not_there_is_an_error_only_when_it_was_named():
    write_run()
    assert not Path("config.yaml").exists()
    bench("r", "--only", "csv")
    with pytest.raises(BenchError, match="no such file"):
        bench("r", "--config", "nowhere.yaml")


def test_an_unknown_run_names_those_there_are():
    write_run()
    with pytest.raises(BenchError, match="there are: r"):
        bench("nowhere")
