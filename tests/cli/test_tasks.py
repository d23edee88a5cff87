"""`bench tasks` as a person and as a script use it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench import tasks
from bench.cli.app import app
from bench.errors import BenchError

GOOD = """\
name: mood
version: "1"
user: "Say bad or good. {article}"
labels: [bad, good]
answer: {form: label}
examples:
  - {article: Rain., answer: bad}
  - {article: Sun., answer: good}
items:
  - {text: Hail., label: bad}
  - {text: "Snow\\u202e, at last.", label: good}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tasks", *arguments])


def written(text: str = GOOD, name: str = "mood.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, BenchError)
    assert result.exception.exit_code == 2
    return str(result.exception)


def test_every_shipped_task_is_one_line_and_one_object():
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(tasks.names())
    rows = json.loads(run("list", "--json").stdout)
    assert {row["name"]: row["form"] for row in rows}["sarcasm_prefix"] == "letter"


def test_a_prompt_is_shown_turn_by_turn_with_the_size_of_both_styles():
    shown = run("show", written(), "--style", "few-shot").stdout
    assert shown.startswith("mood 1, few_shot, item 1 of 2 (")
    assert shown.count("--- user") == 3
    assert "<article>\nRain.\n</article>\n\n--- assistant, 3 characters\nbad\n" in shown
    assert "answer: one of bad, good and nothing else" in shown
    assert "zero_shot prompt: 1 turns, 43 characters\nfew_shot prompt: 5 turns, " in shown


def test_what_is_shown_is_what_an_arm_is_sent():
    shown = json.loads(run("show", "sarcasm", "--style", "few_shot", "--item", "3", "--json").stdout)
    task = tasks.load("sarcasm")
    sent = task.render(task.articles()[2], "few_shot")
    assert shown["messages"] == [m.model_dump() for m in sent.messages]
    assert shown["sizes"]["few_shot"]["n_characters"] == sum(len(m.content) for m in sent.messages)
    assert shown["sizes"]["few_shot"]["n_tokens"] is None


def test_a_direction_mark_in_an_item_is_written_out():
    assert "Snow\\u202e, at last." in run("show", written(), "--item", "2").stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("show", "sarcams"), "did you mean 'sarcasm'"),
        (("show", "sarcasm", "--item", "29"), "no item 29; there are 1 to 28"),
        (("show", "sarcasm", "--style", "one_shot"), "--style one_shot: there are zero_shot, few_shot"),
        (("check", "nothing.yaml"), "nothing.yaml: No such file"),
    ],
)
def test_a_wrong_argument_is_told(arguments, part):
    assert part in refused(*arguments)


def test_a_model_that_is_none_is_refused_before_anything_is_loaded():
    Path("bad.gguf").write_bytes(b"GGUF")
    result = run("show", "sarcasm", "--model", "bad.gguf")
    assert isinstance(result.exception, BenchError)
    assert result.exception.exit_code == 5


# ---------------------------------------------------------------- check


def test_a_sound_task_is_said_to_be_so_without_a_note():
    result = run("check", written())
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "mood 1: sound; label, 2 labels, 2 examples, 2 items, 2 of 2 asked with answer\n"
    )
    assert "note:" not in result.stdout


@pytest.mark.parametrize("name", tasks.names())
def test_the_shipped_tasks_are_sound_and_have_nothing_to_note_but_missing_items(name):
    notes = json.loads(run("check", name, "--json").stdout)["notes"]
    assert [n for n in notes if not n.startswith("no items")] == []


def test_every_broken_example_and_item_is_told_with_its_line():
    text = GOOD.replace("Rain., answer: bad", "Rain., answer: wet").replace("label: good", "label: fine")
    lines = refused("check", written(text.replace("Sun., answer: good", "Sun., answer: {a: 1}"))).splitlines()
    assert lines == [
        "mood.yaml:7: examples.0.answer: 'wet' is none of bad, good",
        "mood.yaml:8: examples.1.answer: the form label wants the label alone",
        "mood.yaml:11: items.1: the label 'fine' is none of bad, good",
    ]


def test_an_item_that_is_there_twice_is_told():
    assert "mood.yaml:11: items.1: the same as items.0" in refused(
        "check", written(GOOD.replace("Snow\\u202e, at last.", "Hail."))
    )


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("  - {article: Sun., answer: good}\n", "", "no example shows the label good"),
        ("Rain.", "Hail.", "examples.0 is one of the items as well"),
        ("Say bad or good.", "Say.", "the prompt never names the label bad, good"),
        ("Hail., label: bad", "Hail.", "1 of 2 items have no right answer"),
        ("{form: label}", "{fields: [{name: mood, type: text}], label: mood}", "examples.0.answer"),
    ],
)
def test_what_is_likely_not_meant_is_noted(old, new, part):
    result = run("check", written(GOOD.replace(old, new)))
    assert part in result.stdout + str(result.exception)


def test_a_key_that_no_prompt_names_is_noted():
    text = 'name: m\nversion: "1"\nuser: "{article}"\nanswer: {fields: [{name: days, type: integer}]}\n'
    out = run("check", written(text)).stdout
    assert "the prompt never names the key days: zero_shot cannot be answered" in out
    assert "no examples: few_shot asks the same as zero_shot" in out
    assert "no items: say in a config" in out


def test_a_task_without_items_is_checked_with_its_examples_and_with_the_articles_of_a_config():
    task = written(GOOD.partition("items:")[0])
    assert "no items: say in a config's `articles:`" in run("check", task).stdout
    assert "item 1 of 2 (" in run("show", task).stdout
    Path("t.csv").write_text("text,mood\nHail.,bad\nSnow.,good\nRain.,bad\n")
    Path("c.yaml").write_text(
        "articles: {source: files, path: t.csv, columns: {text: text, label: mood}}\n"
        "models: [{family: f, variant: base, quants: [fp16], backend: fake, ref: x}]\n"
    )
    out = run("check", task, "--config", "c.yaml").stdout
    assert "3 of 3 asked with answer" in out
    assert "examples.0 is one of the items as well" in out
    assert "item 3 of 3 (" in run("show", task, "-c", "c.yaml", "--item", "3").stdout


def test_a_colon_that_yaml_takes_for_a_key_is_explained():
    text = GOOD.replace('user: "Say bad or good. {article}"', "user: Say: bad or good. {article}")
    message = refused("check", written(text))
    assert message.startswith("mood.yaml:3: not YAML")
    assert message.endswith("put a text that has `: ` in it in quotes")


def test_a_check_of_a_table_looks_at_all_its_prompts():
    Path("t.csv").write_text("prompt,expected\nIs 7 prime?,yes\nIs it true that 8 is prime?,no\n")
    found = json.loads(run("check", "t.csv", "--json").stdout)
    assert (found["task"]["labels"], found["n_labelled"]) == (["no", "yes"], 2)
    assert found["longest"]["zero_shot"]["n_characters"] == len("Is it true that 8 is prime?")
