"""A whole build: counts, bytes, formats, and what is refused."""

import json
from pathlib import Path

import pytest

from bench import articles, data, tasks
from bench.datasets import folder, split
from bench.errors import BenchError, ConfigError, NoArticlesError, RunLockedError, StorageError, UsageError
from tests.datasets.building import built, side, unlike, write_csv

RECIPE = """\
name: mine
task: financial_news
sources:
  - {reader: table, path: a.csv, columns: {label: label, entity: who}, licence: CC0}
steps:
  - step: normalise
  - {step: deduplicate, by: words}
  - step: labels
    map: {good: positive, bad: negative}
    scores: {positive: 0.5, negative: -0.5}
    reasoning: {positive: Good news., negative: Bad news.}
    confidence: 0.9
formats: [chat, sharegpt, alpaca, prompt_completion, text, articles]
"""


@pytest.fixture(autouse=True)
def table(tmp_path):
    records = [[unlike(n), "good" if n % 2 else "bad", "Acme"] for n in range(40)]
    write_csv(tmp_path / "a.csv", ["text", "label", "who"], *records, records[0])


def files():
    return {path: path.read_bytes() for path in sorted(Path("datasets/mine").rglob("*")) if path.is_file()}


def test_building_twice_gives_the_same_bytes():
    built(RECIPE)
    first = files()
    built(RECIPE)
    assert first == files()
    assert len(first) == 2 + 3 * 7


def test_the_card_counts_rows_before_and_after_every_step():
    card = built(RECIPE)
    steps = [(s.step, s.n_rows_in, s.n_rows_out) for s in card.steps]
    assert steps == [("normalise", 41, 41), ("deduplicate", 41, 40), ("labels", 40, 40), ("split", 40, 40)]
    assert {name: s.n_rows for name, s in card.sides.items()} == {"train": 32, "validation": 4, "test": 4}
    assert folder.read_card(Path("datasets/mine")) == card
    assert folder.changed_files(Path("datasets/mine")) == []


def test_a_changed_file_is_found():
    built(RECIPE)
    with Path("datasets/mine/chat/train.jsonl").open("a") as file:
        file.write("{}\n")
    assert folder.changed_files(Path("datasets/mine")) == ["chat/train.jsonl"]


def lines(form, suffix=".jsonl"):
    return Path("datasets/mine", form, f"train{suffix}").read_text().splitlines()


def test_every_format_holds_the_tasks_prompt_and_a_valid_answer():
    built(RECIPE)
    task = tasks.load("financial_news")
    row = side("mine")[0]
    prompt = task.render(data.article_of(row), "zero_shot").messages
    answer = {"reasoning": row.reasoning, "sentiment": row.score, "confidence": 0.9}
    chat = json.loads(lines("chat")[0])["messages"]
    assert [m["content"] for m in chat[:-1]] == [m.content for m in prompt]
    assert json.loads(chat[-1]["content"]) == answer
    shared = json.loads(lines("sharegpt")[0])["conversations"]
    assert [(t["from"], t["value"]) for t in shared] == [
        ({"system": "system", "user": "human", "assistant": "gpt"}[m["role"]], m["content"]) for m in chat
    ]
    alpaca = json.loads(lines("alpaca")[0])
    assert (alpaca["instruction"], alpaca["input"], alpaca["output"]) == tuple(m["content"] for m in chat)
    pair = json.loads(lines("prompt_completion")[0])
    assert pair["prompt"] + pair["completion"] == chat
    assert "\n".join(lines("text", ".txt")[:2]) == row.text + "\n"


def test_the_articles_format_is_what_a_run_reads():
    built(RECIPE)
    found = articles.load("datasets/mine/articles/test.jsonl")
    assert [(a.text, a.label, a.entity and a.entity.name) for a in found] == [
        (r.text, r.label, r.entity) for r in side("mine", "test")
    ]


def test_few_shot_prompts_keep_the_examples_as_history():
    built(RECIPE.replace("task: financial_news", "task: financial_news\nstyle: few_shot"))
    assert len(json.loads(lines("alpaca")[0])["history"]) == len(tasks.load("financial_news").examples)


def test_a_row_without_what_the_answer_needs_is_refused_by_its_place():
    with pytest.raises(ConfigError, match=r"a\.csv:1: nothing for the answer's 'sentiment'.*labels"):
        built(RECIPE.replace("    scores: {positive: 0.5, negative: -0.5}\n", ""))


def test_an_answer_outside_the_tasks_limits_is_refused():
    with pytest.raises(ConfigError, match=r"a\.csv:1: .*-5 is outside -1 to 1"):
        built(RECIPE.replace("negative: -0.5", "negative: -5"))


def test_a_label_that_the_task_has_not_is_refused_by_its_place():
    with pytest.raises(ConfigError, match=r"a\.csv:1: .*the label 'bad' is none of .*`labels` maps"):
        built(
            RECIPE.replace(
                "    map: {good: positive, bad: negative}\n    scores: {positive: 0.5, negative: -0.5}\n", ""
            )
        )


def test_a_build_that_leaves_nothing_changes_nothing():
    built(RECIPE)
    before = files()
    with pytest.raises(NoArticlesError, match=r"no row is left .*filter left 0"):
        built(RECIPE.replace("  - step: normalise", "  - {step: filter, min_words: 50}"))
    assert files() == before


def test_sources_without_rows_are_named_and_no_step_is(tmp_path):
    write_csv(tmp_path / "a.csv", ["text", "label", "who"])
    with pytest.raises(NoArticlesError, match=r"its sources hold no rows \(.*a\.csv\)"):
        built(RECIPE)


def test_a_folder_that_is_no_data_set_is_not_replaced():
    Path("datasets/mine").mkdir(parents=True)
    Path("datasets/mine/precious.txt").write_text("x")
    with pytest.raises(UsageError, match="no data set of ours"):
        built(RECIPE)
    assert Path("datasets/mine/precious.txt").read_text() == "x"


def test_nothing_is_left_beside_the_data_set():
    built(RECIPE)
    assert {path.name for path in Path("datasets").iterdir()} == {"mine", ".mine.lock"}


def test_a_data_set_that_is_being_written_is_not_written_twice(tmp_path):
    Path("datasets").mkdir()
    with folder.locked(Path("datasets"), "mine"), pytest.raises(RunLockedError):
        built(RECIPE)


def test_evaluation_texts_are_taken_out_of_a_build(tmp_path):
    Path("eval.jsonl").write_text(json.dumps({"text": unlike(3)}) + "\n")
    card = built(RECIPE.replace("formats:", "  - {step: leaks, against: [eval.jsonl]}\nformats:"))
    assert card.n_rows == 39
    assert all(row.text != unlike(3) for row in folder.all_rows(Path("datasets/mine")))


def test_a_built_set_is_divided_anew_under_another_name():
    built(RECIPE)
    card = data.resplit(Path("datasets/mine"), "other", split.Options(train=0.5, validation=0, test=0.5), 7)
    assert {name: s.n_rows for name, s in card.sides.items()} == {"train": 20, "validation": 0, "test": 20}
    assert card.sources[0].licence == "CC0"
    assert {r.text for r in folder.all_rows(Path("datasets/other"))} == {
        r.text for r in folder.all_rows(Path("datasets/mine"))
    }
    with pytest.raises(UsageError, match="its own place"):
        data.resplit(Path("datasets/mine"), "mine", split.Options(), 0)


def test_a_source_that_is_missing_is_told_before_anything_is_written():
    with pytest.raises(ConfigError, match="no such file"):
        built(RECIPE.replace("a.csv", "b.csv"))
    assert not Path("datasets/mine").exists()


def test_a_damaged_card_is_one_clear_error():
    built(RECIPE)
    Path("datasets/mine/card.json").write_text("{}")
    with pytest.raises(StorageError, match="not a card"):
        folder.read_card(Path("datasets/mine"))
    with pytest.raises(BenchError, match="no data set 'none'"):
        folder.find(Path("datasets"), "none")
