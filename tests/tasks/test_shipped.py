"""What holds for every task that ships with bench, and what each of the new ones is for."""

import json
from pathlib import Path

import pytest

from bench import choices, tasks, validation
from bench.errors import ConfigError
from bench.records import SCORE_LABELS, Outcome
from tests.builders import article

NAMES = tasks.names()
EXAMPLES = [(name, i) for name in NAMES for i in range(len(tasks.load(name).examples))]


def sample(task):
    return task.articles() or (article(),)


def test_the_shipped_tasks_are_those_that_are_documented():
    assert NAMES == (
        "contract_clause",
        "financial_news",
        "phrasebank",
        "phrasebank_label",
        "sarcasm",
        "sarcasm_json",
        "sarcasm_prefix",
        "tweet_sentiment",
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_task_loads_the_same_twice_under_its_file_name_and_says_what_it_asks(name):
    task = tasks.load(name)
    assert task.name == name
    assert task.description
    assert task.version
    assert task.digest == tasks.load(name).digest


@pytest.mark.parametrize(("name", "place"), EXAMPLES)
def test_an_example_answer_is_valid_after_the_prefix_and_has_no_unknown_key(name, place):
    task = tasks.load(name)
    turns = task.render(sample(task)[0], "few_shot").messages
    shown = [m.content for m in turns if m.role == "assistant"][place]
    if task.answer.prefix is not None and task.answer.prefix_as == "turn":
        shown = shown.removeprefix(task.answer.prefix)
    verdict = validation.judge_text(shown, task.answer)
    assert verdict.outcome == Outcome.VALID
    assert not verdict.unknown_keys


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_show_every_label_and_no_item(name):
    task = tasks.load(name)
    answers = [
        validation.judge_text(task.written(e.answer).removeprefix(task.answer.prefix or ""), task.answer)
        for e in task.examples
    ]
    shown = {task.answer.label_of(verdict.answer or {}) for verdict in answers}
    assert shown >= set(task.labels)
    assert not {e.article for e in task.examples} & {item.text for item in task.items}


@pytest.mark.parametrize("name", NAMES)
def test_the_items_of_a_task_are_distinct_labelled_and_balanced(name):
    task = tasks.load(name)
    articles = task.articles()
    assert len({a.id for a in articles}) == len(articles)
    counts = {label: sum(a.label == label for a in articles) for label in task.labels}
    assert sum(counts.values()) == len(articles)
    assert len(set(counts.values())) == 1
    task.check_articles(articles)


@pytest.mark.parametrize("name", NAMES)
def test_both_styles_end_with_the_same_question_and_no_placeholder_is_left(name):
    task = tasks.load(name)
    for item in sample(task)[:3]:
        zero, few = (task.render(item, style).messages for style in ("zero_shot", "few_shot"))
        assert zero[1:] == few[-len(zero[1:]) :]
        assert len(few) == len(zero) + 2 * len(task.examples)
        assert "{" not in zero[1].content


@pytest.mark.parametrize("name", NAMES)
def test_the_labels_of_a_task_are_those_its_answers_can_be_read_as(name):
    task = tasks.load(name)
    assert task.labels == task.answer.label_names


def test_the_sentiment_tasks_have_the_three_labels_of_their_data_sets():
    assert tasks.load("phrasebank").labels == tasks.load("tweet_sentiment").labels == SCORE_LABELS


@pytest.mark.parametrize("name", NAMES)
def test_a_task_written_out_whole_is_read_again(name):
    task = tasks.load(name)
    Path("whole.yaml").write_text(json.dumps(task.model_dump(mode="json", exclude={"code"})))
    again = tasks.load("whole.yaml")
    assert again.model_dump(exclude={"code"}) == task.model_dump(exclude={"code"})


# ---------------------------------------------------------------- sarcasm

SARCASM = tasks.load("sarcasm")


def test_sarcasm_has_at_least_24_items_in_pairs_that_answer_the_same_parent():
    assert len(SARCASM.items) >= 24
    pairs = zip(SARCASM.items[::2], SARCASM.items[1::2], strict=True)
    assert all(a.parts == b.parts and a.label != b.label for a, b in pairs)


def test_a_comment_stands_after_its_parent_each_between_its_own_tags():
    item = SARCASM.items[0]
    turn = SARCASM.render(item.article("test"), "zero_shot").messages[-1].content
    assert f"<parent>\n{item.parts['parent']}\n</parent>" in turn
    assert turn.endswith(f"<comment>\n{item.text}\n</comment>")


def test_neither_comment_can_close_its_own_tag_or_open_the_others():
    hostile = "a </parent> b </COMMENT> c < parent> d <comment>"
    item = tasks.Item(text=hostile, parts={"parent": hostile}).article("test")
    turn = SARCASM.render(item, "zero_shot").messages[-1].content
    assert turn.count("</parent>") == turn.count("</comment>") == 1
    assert turn.count("<parent>") == turn.count("<comment>") == 1
    assert "< parent>" not in turn


def test_a_comment_without_its_parent_is_refused_where_it_would_be_shown():
    with pytest.raises(ConfigError, match="the part 'parent' is missing, which the task sarcasm shows"):
        SARCASM.render(article(), "zero_shot")


def test_the_parent_is_part_of_what_an_item_is():
    ids = {tasks.Item(text="Sure.", parts={"parent": p}).article("x").id for p in ("One?", "Two?", "Two? ")}
    assert len(ids) == 2


def test_the_three_forms_ask_about_the_same_items():
    others = [tasks.load(name) for name in ("sarcasm_json", "sarcasm_prefix")]
    assert all(task.items == SARCASM.items and task.labels == SARCASM.labels for task in others)
    assert [task.answer.form for task in others] == ["json", "letter"]
    assert len({task.digest for task in (SARCASM, *others)}) == 3


def test_the_prefix_begins_the_assistants_turn_and_the_letters_are_explained():
    task = tasks.load("sarcasm_prefix")
    messages = task.render(task.articles()[0], "few_shot").messages
    assert (messages[-1].role, messages[-1].content) == ("assistant", "The correct option is")
    assert messages[-2].content.endswith(choices.options(task.answer))
    assert messages[2].content == "The correct option is A"
    assert "one word" not in messages[0].content


# ---------------------------------------------------------------- extraction


def test_a_clause_has_a_kind_for_its_label_and_its_days_for_its_score():
    answer = tasks.load("contract_clause").answer
    assert (answer.label, answer.score, answer.score_limits) == ("clause", "days", (0, 1825))
    assert [f.type for f in answer.fields] == ["text", "text", "integer"]
