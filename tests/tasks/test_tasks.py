"""Tasks: what a model is shown, that no article can break out of its place, and what a bad task file says."""

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench import tasks, validation
from bench.errors import ConfigError
from bench.records import Article, Entity, Outcome
from tests.builders import article

TASK = tasks.load("financial_news")
OPENING = re.compile(r"<\s*article\s*>", re.IGNORECASE)
CLOSING = re.compile(r"<\s*/\s*article\s*>", re.IGNORECASE)

pieces = st.sampled_from(
    [
        "</article>",
        "<article>",
        "</ARTICLE >",
        "< / Article\n>",
        "</art",
        "icle>",
        "<",
        "/",
        "{article}",
        "{entity}",
    ]
)
hostile = st.lists(pieces | st.text(max_size=8), max_size=12).map("".join)


def user_turn(item, style="zero_shot") -> str:
    return TASK.render(item, style).messages[-1].content


def with_entity(entity, text="Profits rose.") -> Article:
    return Article(id=Article.make_id(text, entity), text=text, source="test", entity=entity)


# ---------------------------------------------------------------- styles


def test_zero_shot_is_the_system_message_and_the_article():
    prompt = TASK.render(article(), "zero_shot")
    assert [m.role for m in prompt.messages] == ["system", "user"]


def test_few_shot_has_five_examples_as_real_turns():
    prompt = TASK.render(article(), "few_shot")
    assert [m.role for m in prompt.messages] == ["system", *["user", "assistant"] * 5, "user"]


def test_both_styles_end_with_the_same_question():
    item = article()
    assert user_turn(item, "few_shot") == user_turn(item, "zero_shot")


def test_an_example_is_asked_in_the_words_of_the_question():
    example = TASK.examples[0]
    turn = TASK.render(article(), "few_shot").messages[1].content
    assert turn == user_turn(with_entity(example.entity, example.article))


@pytest.mark.parametrize("example", TASK.examples, ids=lambda example: example.entity.name)
def test_an_example_answer_is_valid_by_the_answer_schema(example):
    verdict = validation.judge_text(TASK.written(example.answer), TASK.answer)
    assert verdict.outcome == Outcome.VALID
    assert not verdict.unknown_keys
    assert list(verdict.answer or {}) == [field.name for field in TASK.answer.fields]


def test_the_example_answers_show_every_label_and_more_than_extremes():
    scores = [json.loads(TASK.written(example.answer))["sentiment"] for example in TASK.examples]
    assert min(scores) < 0 < max(scores)
    assert 0 in scores
    assert any(0 < abs(score) < 0.4 for score in scores)


def test_an_answer_is_one_line_of_json_with_its_letters_kept():
    text = tasks.answer_text({"reasoning": "Skarvøy\nsold", "sentiment": 0})
    assert text == '{"reasoning": "Skarvøy\\nsold", "sentiment": 0}'


def test_the_schema_asks_for_the_three_fields_of_the_task():
    fields = {f.name: (f.type, f.minimum, f.maximum) for f in TASK.answer.fields}
    assert fields == {
        "reasoning": ("text", None, None),
        "sentiment": ("number", -1, 1),
        "confidence": ("number", 0, 1),
    }
    assert (TASK.answer.score, TASK.answer.confidence) == ("sentiment", "confidence")
    assert TASK.answer.label_thresholds == (-0.05, 0.05)


# ---------------------------------------------------------------- the article stays in its place


@given(hostile)
def test_an_article_cannot_close_its_delimiter(text):
    turn = user_turn(article(text))
    assert len(CLOSING.findall(turn)) == 1
    assert len(OPENING.findall(turn)) == 1
    assert turn.endswith("\n</article>")


@given(hostile)
def test_a_title_cannot_close_the_delimiter(title):
    turn = user_turn(article(title=title))
    assert len(CLOSING.findall(turn)) == 1
    assert len(OPENING.findall(turn)) == 1


@given(hostile, hostile)
def test_an_entity_stays_on_its_line_and_opens_no_delimiter(name, ticker):
    turn = user_turn(with_entity(Entity(name=name, ticker=ticker)))
    assert len(CLOSING.findall(turn)) == 1
    assert len(OPENING.findall(turn)) == 1
    first, rest = turn.split("\n", 1)
    assert first.startswith("Company: ")
    assert first != "Company: "
    assert rest == "\n<article>\nProfits rose.\n</article>"


def test_a_delimiter_in_an_article_stays_readable():
    assert tasks.delimited("a < b </article> c") == "<article>\na < b &lt;/article> c\n</article>"


def test_text_without_a_delimiter_is_left_as_it_is():
    text = "Sales < costs & profit > 0; <b>bold</b> \u2028 {x}"
    assert tasks.delimited(text) == f"<article>\n{text}\n</article>"


def test_placeholders_in_an_article_stay_text():
    turn = user_turn(article("Say {entity} and {article} and {system}.", name="Examplecorp"))
    assert "Say {entity} and {article} and {system}." in turn


def test_placeholders_in_an_entity_stay_text():
    turn = user_turn(with_entity(Entity(name="{article}")))
    assert turn.startswith("Company: {article}\n")


# ---------------------------------------------------------------- entity and title


def test_an_article_without_entity_asks_about_its_main_subject():
    assert user_turn(with_entity(None)).startswith("Company: the main subject of the article\n")


def test_a_blank_entity_counts_as_none():
    assert user_turn(with_entity(Entity(name=" \n"))) == user_turn(with_entity(None))


def test_a_ticker_follows_the_name():
    turn = user_turn(with_entity(Entity(name="Example\nCorp", ticker="E X")))
    assert turn.startswith("Company: Example Corp (E X)\n")


def test_the_title_stands_above_the_text_inside_the_delimiter():
    assert "<article>\nUp\n\nProfits rose.\n</article>" in user_turn(article("Profits rose.", title="Up"))


def test_a_system_message_is_the_same_for_every_article():
    first, second = (TASK.render(article(text), "zero_shot") for text in ("One.", "Two."))
    assert first.messages[0] == second.messages[0]


# ---------------------------------------------------------------- identity


def test_equal_content_gives_equal_prompt_ids():
    assert TASK.render(article(), "few_shot").id == TASK.render(article(), "few_shot").id


def test_styles_articles_and_versions_give_different_prompt_ids():
    other = TASK.model_copy(update={"version": "x"})
    ids = {
        TASK.render(article(), "zero_shot").id,
        TASK.render(article(), "few_shot").id,
        TASK.render(article("Another text."), "zero_shot").id,
        TASK.render(article(name="Othercorp"), "zero_shot").id,
        other.render(article(), "zero_shot").id,
    }
    assert len(ids) == 5


def test_the_style_alone_changes_the_id_of_a_task_without_examples():
    bare = TASK.model_copy(update={"examples": ()})
    assert bare.render(article(), "zero_shot").id != bare.render(article(), "few_shot").id


def test_any_change_of_wording_changes_the_digest():
    assert TASK.model_copy(update={"system": TASK.system + " "}).digest != TASK.digest


# ---------------------------------------------------------------- task files


def plain(**changes) -> str:
    task = {
        "name": "t",
        "version": "1",
        "system": "Judge.",
        "user": "{article}",
        "answer": {"fields": [{"name": "s", "type": "number", "minimum": 0, "maximum": 1}], "score": "s"},
        "examples": [{"article": "text", "answer": {"s": 0.5}}],
    }
    return yaml.safe_dump({**task, **changes})


def refusal(path, content) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        tasks.load(str(path))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", tasks.names())
def test_every_shipped_task_loads_under_its_file_name(name):
    task = tasks.load(name)
    assert task.name == name
    assert json.loads(task.model_dump_json())["version"]


def test_a_users_task_is_read_by_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(plain())
    assert tasks.load(str(path)).name == "t"


def test_an_unknown_task_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'financial_news'"):
        tasks.load("finacial_news")


def test_a_missing_task_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml: No such file"):
        tasks.load(str(tmp_path / "gone.yaml"))


def test_a_folder_in_place_of_a_task_file_is_named(tmp_path):
    (tmp_path / "f.yaml").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        tasks.load(str(tmp_path / "f.yaml"))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("name: [", "not YAML"),
        ("name: !!python/object:os.system x", "not YAML"),
        ("", "the file is empty"),
        ("- a list", "input should be an object"),
        (b"name: \xff\xfe", "not UTF-8"),
        ("[" * 5_000, "nested too deeply"),
        ("name: 2025-99-99", "cannot be read"),
        (plain(version=1), "version: input should be a valid string; found 1; write it in quotes"),
        (plain(colour="red"), "colour: unknown key; known here: name, version"),
        (plain(user="no article"), "user: it has no {article}"),
        (plain(answer={"fields": [{"name": "s", "type": "number"}], "score": "x"}), "answer.score: 'x'"),
        (plain(answer={"fields": [{"name": "s", "type": "text"}], "score": "s"}), "answer.score: 's'"),
        (plain(examples=[{"article": "t", "answer": {"s": 7}}]), "examples.0.answer: out_of_range"),
        (plain(examples=[{"article": "t", "answer": {}}]), "examples.0.answer: missing_field"),
        (plain(examples=[{"article": "t", "answer": {"s": float("nan")}}]), "examples.0.answer: not_json"),
        (plain(label_thresholds=[0, 1]), "label_thresholds: unknown key"),
    ],
)
def test_a_bad_task_file_is_refused_by_name_in_one_line(tmp_path, content, part):
    assert part in refusal(tmp_path / "bad.yaml", content)


def test_a_date_in_an_example_answer_is_refused(tmp_path):
    content = plain(examples=[]).replace("examples: []", "examples: [{article: t, answer: {s: 2025-01-01}}]")
    assert "examples.0.answer" in refusal(tmp_path / "bad.yaml", content)
