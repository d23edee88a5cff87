"""The README's path "From data to a verdict", cut: data, training, four quants, sweep, report, gate."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

pytest.importorskip("trl", reason="the train extra is not installed")
pytest.importorskip("llama_cpp", reason="the llama extra is not installed")

from bench.cli.app import app
from tests.exporting import WIDE, make_model

QUANTS = ("q4_K_M", "q5_K_M", "q8_0", "fp16")
FORMS = "q4_K_M,q5_K_M,q8_0,gguf-fp16"
TASK = """\
name: tone
version: "1"
labels: [bad, good]
user: "{article}"
answer: {form: label, label: label, fields: [{name: label, type: text}]}
items: []
"""
DATA = """\
name: tones
task: tone.yaml
sources: [{reader: table, path: tones.csv, licence: CC0, columns: {text: text, label: label}}]
split: {train: 0.5, validation: 0.2, test: 0.3}
formats: [chat, articles]
"""
RECIPE = """\
name: tones
task: tone.yaml
data: {recipe: tones-data.yaml}
base: {ref: base}
trainings:
  - {name: lora, method: {kind: lora, r: 4}, trainer: {steps: 2, batch_size: 4, max_tokens: 256}}
"""


def bench(*arguments, codes=(0,)):
    """A command, as a user types it."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code in codes, (arguments, done.output, done.exception)
    return done.stdout


def write_inputs():
    words = [
        "adept",
        "bland",
        "crisp",
        "dusty",
        "eager",
        "fancy",
        "giddy",
        "hasty",
        "icy",
        "jolly",
        "keen",
        "lucid",
        "merry",
        "noble",
    ]
    rows = [
        f"{words[i % 14]} {words[(i * 5 + 3) % 14]} {words[(i * i) % 14]} margins {verb} {i},{label}"
        for i in range(20)
        for verb, label in (("rose", "good"), ("fell", "bad"))
    ]
    Path("tones.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    Path("tone.yaml").write_text(TASK)
    Path("tones-data.yaml").write_text(DATA)
    Path("recipe.yaml").write_text(RECIPE)


def test_data_become_a_verdict_on_four_quants_of_base_and_tuned():
    write_inputs()
    make_model(Path("base"), **WIDE)
    bench("data", "build", "tones-data.yaml")
    bench("train", "recipe.yaml", "--no-evaluate")
    assert Path("models/tones/lora/arm.json").is_file()
    bench("models", "export", "models/tones/lora", "--to", FORMS, "--out", "exports/tuned")
    names = ("--family", "tones", "--variant", "base")
    bench("models", "export", "base", *names, "--to", FORMS, "--out", "exports/base")

    sizes = ("--iterations", 2, "--max-tokens", 8, "--context-tokens", 256)
    asked = ("--task", "tone.yaml", "--articles", "models/tones/test.jsonl", *sizes)
    Path("verdict.yaml").write_text(bench("models", "config", "exports/base", "exports/tuned", *asked))
    arms = [f"tones/{v}/{q}@llama_cpp" for v in ("base", "lora") for q in QUANTS]
    bench("run", "--config", "verdict.yaml", "--run-id", "verdict", "--width", 4)
    bench("report", "verdict", "--config", "verdict.yaml")
    bench("gate", "verdict", "--config", "verdict.yaml", codes=(0, 1, 3, 4))

    found = json.loads(Path("reports/verdict/gate.json").read_text())
    assert sorted(arm["arm"] for arm in found["arms"]) == sorted(arms)
    baselines = {arm["baseline"] for arm in found["arms"] if arm["baseline"]}
    assert baselines == {"tones/base/fp16@llama_cpp", "tones/lora/fp16@llama_cpp"}
    with Path("reports/verdict/tables/pairs.csv").open(newline="") as file:
        kinds = [row["kind"] for row in csv.DictReader(file)]
    assert kinds.count("fine_tuning") == 4
    assert kinds.count("quantization") == 6
    assert (Path("reports/verdict") / "report.xlsx").is_file()
    assert yaml.safe_load(Path("verdict.yaml").read_text())["articles"] == {
        "source": "models/tones/test.jsonl"
    }


def test_a_config_of_no_export_is_refused():
    Path("empty").mkdir()
    done = CliRunner().invoke(app, ["models", "config", "empty"])
    assert "no export that published" in str(done.exception)
