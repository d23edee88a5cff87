"""`bench data` as a person uses it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.cli.app import app
from bench.errors import ConfigError, UsageError
from tests.datasets.building import unlike, write_csv

RECIPE = """\
name: mine
sources: [{reader: table, path: a.csv, columns: {label: label}, licence: CC0}]
steps: [{step: deduplicate}]
formats: [text]
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["data", *arguments])


@pytest.fixture(autouse=True)
def recipe(tmp_path):
    records = [[unlike(n) + "\x1b[31m", "good" if n % 2 else "bad"] for n in range(20)]
    write_csv(tmp_path / "a.csv", ["text", "label"], *records)
    Path("r.yaml").write_text(RECIPE)


def test_build_says_what_every_step_left():
    result = run("build", "r.yaml")
    assert result.exit_code == 0
    assert "deduplicate                     20 rows" in result.stdout
    assert "train                           16 rows  bad: 8, good: 8" in result.stdout


def test_build_prints_its_card_as_json():
    assert json.loads(run("build", "r.yaml", "--json").stdout)["sides"]["train"]["n_rows"] == 16


def test_show_makes_a_text_inert():
    run("build", "r.yaml")
    shown = run("show", "mine", "--side", "test", "-n", "1", "--format", "text").stdout
    assert "\\x1b[31m" in shown
    assert "\x1b" not in shown


def test_stats_counts_words_and_finds_a_changed_file():
    run("build", "r.yaml")
    assert "train       words a text: least 3, median 3, p95 3, most 3" in run("stats", "mine").stdout
    Path("datasets/mine/text/train.txt").write_text("x")
    assert json.loads(run("stats", "mine", "--json").stdout)["changed_files"] == ["text/train.txt"]


def test_split_divides_a_set_anew():
    run("build", "r.yaml")
    result = run("split", "mine", "--as", "half", "--train", "0.5", "--validation", "0", "--test", "0.5")
    assert result.exit_code == 0
    assert Path("datasets/half/text/test.txt").is_file()


def test_push_can_be_tried_without_writing():
    run("build", "r.yaml")
    assert run("push", "mine", "me/mine", "--dry-run").stdout.endswith("nothing written to me/mine\n")


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (("show", "none"), UsageError, "no data set 'none'"),
        (("show", "mine", "--side", "dev"), UsageError, "there are train, validation, test"),
        (("show", "mine", "--format", "chat"), UsageError, "written for train are rows, text"),
        (("split", "mine", "--as", "x", "--train", "0.9"), UsageError, "add up to 1.1"),
        (("split", "mine", "--as", "x", "--similar", "0.1"), UsageError, "--similar"),
        (("split", "mine", "--as", "../x"), UsageError, "a name is letters"),
        (("build", "none.yaml"), ConfigError, "recipes/data/ has examples"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(arguments, kind, said):
    run("build", "r.yaml")
    result = run(*arguments)
    assert isinstance(result.exception, kind)
    assert said in str(result.exception)
    assert "\n" not in str(result.exception)
