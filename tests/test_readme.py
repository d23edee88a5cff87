"""The README's walk-through works as written: its files, its commands, in its order."""

import csv
import re
import shlex
from pathlib import Path

import openpyxl
import pytest
import yaml
from typer.testing import CliRunner

from bench.cli.app import app

README = Path(__file__).parents[1] / "README.md"
FILES = {"triage.yaml", "triage_config.yaml"}


def section() -> str:
    text = README.read_text(encoding="utf-8")
    return text.partition("## Your own task\n")[2].partition("\n| command |")[0]


def files() -> dict[str, str]:
    """The YAML blocks, each under the last file name in backticks before it."""
    found = re.finditer(r"`(\w+\.yaml)`[^`]*?(?:`fake`[^`]*?)?\n```yaml\n(.*?)```", section(), re.DOTALL)
    return {match[1]: match[2] for match in found}


def commands() -> list[list[str]]:
    lines = (line for line in section().splitlines() if line.startswith("    bench "))
    return [shlex.split(line.partition("#")[0])[1:] for line in lines]


def test_the_task_has_under_40_lines_and_both_files_are_there():
    assert set(files()) == FILES
    assert len(files()["triage.yaml"].splitlines()) < 40


def test_the_walk_through_runs_as_written():
    for name, text in files().items():
        Path(name).write_text(text, encoding="utf-8")
    said = {}
    for arguments in commands():
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.exception)
        said[arguments[0], arguments[1]] = result.stdout
    assert said["tasks", "check"].startswith(
        "triage 1: sound; json, 3 labels, 3 examples, 6 items, 6 of 6 asked with answer"
    )
    assert "note:" not in said["tasks", "check"]
    assert said["tasks", "show"].count("--- assistant") == 3
    assert ("report", "triage") in said
    with Path("reports/triage/tables/quality.csv").open(encoding="utf-8", newline="") as stream:
        arms = list(csv.DictReader(stream))
    assert {(row["quant"], row["prompt_style"]) for row in arms} == {
        (quant, style) for quant in ("q4_K_M", "fp16") for style in ("zero_shot", "few_shot")
    }
    assert all(int(row["n_items"]) == 6 for row in arms)
    assert sum(int(row["n_garbage"]) for row in arms) > 0
    book = openpyxl.load_workbook("reports/triage/report.xlsx", read_only=True)
    assert {"Quality", "Prompt styles"} <= set(book.sheetnames)


@pytest.mark.parametrize("answer", re.findall(r"`answer: (\{.*?\})`", section()))
def test_an_answer_that_the_text_names_is_one(answer):
    task = yaml.safe_load(files()["triage.yaml"])
    task |= {"answer": yaml.safe_load(answer), "examples": [], "user": task["user"] + " {options}"}
    Path("other.yaml").write_text(yaml.safe_dump(task, allow_unicode=True), encoding="utf-8")
    assert CliRunner().invoke(app, ["tasks", "check", "other.yaml"]).exit_code == 0
