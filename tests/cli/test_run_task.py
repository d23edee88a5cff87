"""`bench run --task FILE` and a report on it, as a person uses them: every form of answer, to the tables."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench import store
from bench.cli.app import app
from bench.errors import BenchError
from tests.fixtures.tiny_gguf import make_tiny_gguf

CONFIG = """\
iterations: 3
sampling: {temperature: 1.0, max_tokens: 24, context_tokens: 2048}
models:
  - {family: m, variant: base, quants: [fp16], backend: fake, ref: x, options: {valid_rate: 0.6}}
"""
ENGINE = """\
iterations: 2
width: 4
sampling: {temperature: 1.0, max_tokens: 24, context_tokens: 2048}
models:
  - {family: t, variant: base, quants: [fp16], backend: llama_cpp, ref: MODEL, options: {n_threads: 1}}
  - family: t
    variant: base
    quants: [fp16]
    backend: llama_cpp
    ref: MODEL
    output: json_schema
    options: {n_threads: 1}
"""
YAML = """\
name: mood
version: "1"
user: "{article} Is this bad or good?"
labels: [bad, good]
answer: ANSWER
items:
  - {text: Hail., label: bad}
  - {text: Sun., label: good}
  - {text: Fog.}
"""
FORMS = {
    "json": "{label: mood, fields: [{name: mood, type: text}]}",
    "label": "{form: label}",
    "letter": '{form: letter, prefix: "It is"}',
}
PYTHON = """\
from bench.records import AnswerField, AnswerSchema
from bench.tasks import Item, Task

TASK = Task(
    name="mood",
    version="1",
    user="Bad or good? {article}",
    answer=AnswerSchema(
        form="label", label="l", fields=(AnswerField(name="l", type="text", choices=("bad", "good")),)
    ),
    labels=("bad", "good"),
    items=tuple(Item(text=t, label=l) for t, l in (("Hail.", "bad"), ("Sun.", "good"))),
)
"""
TABLE = "prompt,expected\nIs hail good?,no\nIs sun good?,yes\n"


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def done(*arguments: str) -> str:
    result = bench(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def yaml_task(form: str) -> str:
    text = YAML.replace("ANSWER", FORMS[form])
    if form == "letter":
        text = text.replace("bad or good?", "bad or good? {options}")
    Path("mood.yaml").write_text(text)
    return "mood.yaml"


def measured(task: str, config: str) -> list[dict[str, str]]:
    """The samples of a run of the task as `failures.csv` counts them."""
    Path("config.yaml").write_text(config)
    done("run", "--task", task, "--run-id", "r")
    done("report", "r", "--only", "csv")
    return table("failures")


def table(name: str) -> list[dict[str, str]]:
    with Path(f"reports/r/tables/{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_answer_is_run_and_what_is_not_valid_is_counted_as_garbage(form):
    failures = measured(yaml_task(form), CONFIG)
    n_valid = sum(int(row["n"]) for row in failures if row["outcome"] == "valid")
    assert sum(int(row["n"]) for row in failures) == 9
    assert 0 < n_valid < 9
    run = store.open_run(Path("sentiments/r"))
    right = {a.id: a.label for a in run.articles()}
    garbage = sum(row["verdict"]["outcome"] != "valid" and right[row["article_id"]] is not None
                  for row in run.samples(run.manifest.arms[0].arm))  # fmt: skip
    (quality,) = table("quality")
    assert (int(quality["n_answers"]), int(quality["n_garbage"])) == (6, garbage)
    counted = sum(int(row["n"]) for row in table("confusion") if row["answered"] == "garbage")
    assert counted == garbage


@pytest.mark.parametrize(("name", "text"), [("mood.py", PYTHON), ("table.csv", TABLE)])
def test_a_python_file_and_a_table_are_run_like_any_task(name, text):
    Path(name).write_text(text)
    failures = measured(name, CONFIG)
    assert sum(int(row["n"]) for row in failures) == 6
    manifest = store.open_run(Path("sentiments/r")).manifest
    assert manifest.config["task"] == name
    assert manifest.task["name"] == name.partition(".")[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of random weights: nothing it says freely is an answer."""
    return make_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf", context=2048)


@pytest.mark.parametrize("form", FORMS)
def test_a_real_engine_answers_in_every_form_free_and_constrained(form, model):
    failures = measured(yaml_task(form), ENGINE.replace("MODEL", str(model)))
    valid = {row["output"]: int(row["n"]) for row in failures if row["outcome"] == "valid"}
    assert valid == {"free": 0, "json_schema": 6}
    assert sum(int(row["n"]) for row in failures) == 12


def test_two_styles_of_a_real_model_are_compared_in_tokens_and_seconds(model):
    config = ENGINE.partition("  - family: t\n")[0].replace(
        "ref: MODEL", f"ref: {model}, styles: [zero_shot, few_shot]"
    )
    Path("config.yaml").write_text(config.replace("context_tokens: 2048", "context_tokens: 2000"))
    done("run", "--task", "tweet_sentiment", "--run-id", "r", "--limit", "3")
    done("run", "--task", "tweet_sentiment", "--run-id", "r", "--limit", "3", "--mode", "latency")
    done("report", "r", "--only", "csv")
    (row,) = table("prompt_styles")
    assert (row["kind"], row["arm_a"]) == ("shots", "t/base/fp16@llama_cpp+few_shot")
    assert float(row["prompt_tokens_a"]) > 1.5 * float(row["prompt_tokens_b"])
    assert float(row["latency_ratio"]) > 0
    assert float(row["seconds_a"]) > 0


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("task", "part"),
    [
        ("nothing.yaml", "task nothing.yaml: No such file or directory"),
        ("sarkasm", "did you mean 'sarcasm'?"),
        ("mood.txt", "task mood.txt: a task's file ends in .yaml, .yml, .py, .csv"),
    ],
)
def test_a_task_that_is_none_is_told_and_nothing_is_written(task, part):
    Path("config.yaml").write_text(CONFIG)
    error = bench("run", "--task", task).exception
    assert isinstance(error, BenchError)
    assert part in str(error)
    assert error.exit_code == 2
    assert not Path("sentiments").exists()


def test_a_run_is_not_resumed_with_a_task_that_has_changed_and_says_what():
    Path("config.yaml").write_text(CONFIG)
    task = yaml_task("label")
    done("run", "--task", task, "--run-id", "r")
    Path(task).write_text(Path(task).read_text().replace("Is this", "Is that"))
    error = bench("run", "--task", task, "--resume", "r").exception
    assert isinstance(error, BenchError)
    assert error.exit_code == 8
    assert "task digest" in str(error)


def test_stopping_at_the_end_of_json_is_refused_where_no_json_is_asked_for():
    Path("config.yaml").write_text(CONFIG.replace("max_tokens", "stop_on_json: true, max_tokens"))
    error = bench("run", "--task", yaml_task("label")).exception
    assert "sampling.stop_on_json: the task mood is not answered in JSON" in str(error)


def test_a_dry_run_of_a_table_says_how_many_samples_there_will_be():
    Path("config.yaml").write_text(CONFIG)
    Path("table.csv").write_text(TABLE)
    assert json.loads(done("run", "--task", "table.csv", "--dry-run", "--json"))["n_samples"] == 6
