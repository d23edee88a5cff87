"""What a run asks about: the task's own items, or articles whose labels the task knows."""

import json
from pathlib import Path

import pytest

from bench import items, tasks
from bench.config import ArticlesConfig
from bench.errors import ConfigError

SARCASM, NEWS, TWEETS = (tasks.load(name) for name in ("sarcasm", "financial_news", "tweet_sentiment"))


def table(text: str) -> ArticlesConfig:
    Path("t.csv").write_text(text, encoding="utf-8")
    return ArticlesConfig(source="files", path="t.csv")


def test_sample_means_the_tasks_own_items_and_else_the_bundled_articles():
    assert items.load(SARCASM, ArticlesConfig()) == SARCASM.articles()
    assert {a.source for a in items.load(NEWS, ArticlesConfig(limit=3))} == {"sample"}
    assert items.identity(SARCASM, ArticlesConfig()) == {"source": "sample", "task": "sarcasm"}
    assert items.identity(NEWS, ArticlesConfig()) == {"source": "sample"}


def test_a_task_that_the_bundled_articles_do_not_fit_is_told_to_bring_its_own():
    bare = SARCASM.model_copy(update={"items": ()})
    with pytest.raises(ConfigError, match="it brings no `items`, and the bundled news articles do not fit"):
        items.load(bare, ArticlesConfig())
    assert [a.text for a in items.stand_ins(bare)] == [e.article for e in SARCASM.examples]
    assert items.stand_ins(NEWS) == items.load(NEWS, ArticlesConfig())


def test_a_limit_takes_the_first_items():
    assert items.load(SARCASM, ArticlesConfig(limit=4)) == SARCASM.articles()[:4]


def test_a_setting_that_a_tasks_items_cannot_honour_is_refused():
    with pytest.raises(
        ConfigError, match=r"articles\.relevant_only: the items that come with the task sarcasm"
    ):
        items.load(SARCASM, ArticlesConfig(relevant_only=True))


def test_an_article_without_a_part_that_the_task_shows_is_refused_by_its_name():
    with pytest.raises(ConfigError, match="the part 'parent' is missing"):
        items.load(SARCASM, table("text,label\nSure it is.,sincere\n"))


def test_a_table_may_carry_the_parts_of_its_items():
    (found,) = items.load(SARCASM, table("text,parts.parent,label\nSure.,Is it safe?,sincere\n"))
    assert (found.parts, found.label) == ({"parent": "Is it safe?"}, "sincere")


def test_one_text_with_two_parents_is_two_items():
    found = items.load(
        SARCASM, table("text,parts.parent\nSure it is.,One?\nSure it is.,Two?\nSure it is.,Two?\n")
    )
    assert [a.parts["parent"] for a in found] == ["One?", "Two?"]


def test_a_jsonl_file_may_carry_parts_and_they_belong_to_the_id():
    rows = [{"text": "Sure.", "parts": {"parent": parent}} for parent in ("One?", "Two?")]
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = items.load(SARCASM, ArticlesConfig(source="p.jsonl"))
    assert len({a.id for a in found}) == 2


def test_a_label_that_the_task_lacks_is_refused_and_can_be_mapped():
    settings = table("text,label\nso happy today,1\nso sad today,0\n")
    with pytest.raises(
        ConfigError, match=r"label '1' is none of negative, neutral, positive; `articles\.label_map`"
    ):
        items.load(TWEETS, settings)
    mapped = settings.model_copy(update={"label_map": {"0": "negative", "1": "positive"}})
    assert [a.label for a in items.load(TWEETS, mapped)] == ["positive", "negative"]


def test_a_reference_score_outside_the_tasks_range_is_refused():
    with pytest.raises(ConfigError, match="reference score 7 is outside -1 to 1"):
        items.load(NEWS, table("text,reference_score\nProfits rose.,7\n"))


# ---------------------------------------------------------------- tables with names of their own

OTHER = "id_str,tweet,mood,url\n1,so happy today,positive,x\n"


def test_a_table_of_other_columns_is_read_by_the_names_that_the_config_gives():
    settings = table(OTHER).model_copy(update={"columns": {"text": "tweet", "label": "mood"}})
    (found,) = items.load(TWEETS, settings)
    assert (found.text, found.label, found.url) == ("so happy today", "positive", None)


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({}, "no column `text`.*`articles.columns` can say"),
        ({"label": "mood"}, r"articles\.columns: names the column of `text`"),
        ({"text": "tweet", "colour": "mood"}, r"articles\.columns: names"),
        ({"text": "nothing"}, "not one column 'nothing'; there are: 'id_str'"),
    ],
)
def test_a_column_that_is_not_there_is_told(columns, part):
    with pytest.raises(ConfigError, match=part):
        items.load(TWEETS, table(OTHER).model_copy(update={"columns": columns}))


# ---------------------------------------------------------------- phrasebank


def phrasebank(content: bytes) -> ArticlesConfig:
    Path("Sentences_AllAgree.txt").write_bytes(content)
    return ArticlesConfig(source="phrasebank", path="Sentences_AllAgree.txt")


def test_the_phrase_bank_is_read_in_its_own_encoding_with_label_and_level():
    found = items.load(
        tasks.load("phrasebank"), phrasebank(b"Sal\xe9s@x rose@positive\r\nNothing new .@neutral\n")
    )
    assert [(a.text, a.label, a.source) for a in found] == [
        ("Salés@x rose", "positive", "Sentences_AllAgree"),
        ("Nothing new .", "neutral", "Sentences_AllAgree"),
    ]


@pytest.mark.parametrize("line", [b"no label", b"a@great", b" @neutral"])
def test_a_line_that_is_not_a_labelled_sentence_is_named(line):
    with pytest.raises(ConfigError, match=r"Sentences_AllAgree\.txt:2: not `sentence@label`"):
        items.load(tasks.load("phrasebank"), phrasebank(b"Fine .@neutral\n" + line + b"\n"))


def test_near_duplicates_are_left_out_and_counted():
    text = "The company said on Monday that its profit rose by a fifth, to 12 million, as more people paid."
    rows = (
        f'"{text}",positive\n"{text} Shares rose.",positive\n"{text} Shares fell.",negative\nOther.,neutral\n'
    )
    found = items.find(TWEETS, table("text,label\n" + rows).model_copy(update={"label_map": {}}))
    assert [a.label for a in found.articles] == ["positive", "neutral"]
    assert found.left_out == {"duplicate": 1, "duplicate_with_another_label": 1}
