"""Composed articles: right-shaped judgements, nothing of the bundled articles or examples in them."""

import re
from collections import Counter
from random import Random

import pytest

from bench import articles, tasks
from bench.train import avoided
from bench.training.kinds import sentence
from bench.training.stories import story
from bench.training.world import company

STORIES = [story(rng, frozenset()) for rng in [Random(7)] for _ in range(600)]


def words(text):
    return re.findall(r"[a-z]+", text.lower())


def label(score):
    return "negative" if score < -0.05 else "positive" if score > 0.05 else "neutral"


def test_the_same_seed_gives_the_same_story():
    assert story(Random(3), frozenset()) == story(Random(3), frozenset())


def test_every_story_has_a_judgement_in_range_and_short_reasons():
    for item in STORIES:
        assert -1 <= item.score <= 1
        assert 0 < item.confidence < 1
        assert 2 <= len(item.reasoning.split()) <= 60


def test_all_labels_and_kinds_occur_often():
    labels = Counter(label(item.score) for item in STORIES)
    assert min(labels.values()) > 100
    assert set(Counter(item.kind for item in STORIES)) == {
        "single", "mixed", "several", "passing", "loose", "irony", "teaser", "rumour",
    }  # fmt: skip


def test_some_stories_have_no_title_and_some_questions_no_company():
    assert {item.title is None for item in STORIES} == {True, False}
    assert {item.named for item in STORIES} == {True, False}


def test_lengths_reach_from_a_few_words_to_hundreds():
    lengths = sorted(len(item.text.split()) for item in STORIES)
    assert lengths[0] < 40
    assert lengths[-1] > 300


def test_the_reasons_begin_with_the_side_they_take():
    for item in STORIES:
        if item.kind != "mixed":
            start = item.reasoning.split(":")[0]
            assert start == (
                "Neutral" if abs(item.score) < 0.1 else "Good news" if item.score > 0 else "Bad news"
            )


def test_no_sentence_of_a_bundled_article_is_in_a_story():
    seen = {tuple(w[i : i + 9]) for item in STORIES for w in [words(item.text)] for i in range(len(w) - 8)}
    for article in articles.load("sample"):
        found = words(article.text)
        assert not seen & {tuple(found[i : i + 9]) for i in range(len(found) - 8)}


def test_no_invented_company_is_one_of_the_examples_or_of_the_bundled_articles():
    task = tasks.load("financial_news")
    avoid = avoided(task)
    rng = Random(0)
    stems = {company(rng, avoid).stem.lower() for _ in range(20000)}
    taken = {article.entity.name for article in articles.load("sample") if article.entity}
    taken |= {example.entity.name for example in task.examples if example.entity}
    assert not stems & {word.lower() for name in taken for word in name.split()}


def test_words_to_avoid_are_avoided():
    common = Counter(company(Random(i), frozenset()).stem.lower() for i in range(50))
    avoid = frozenset(common)
    assert not avoid & {company(Random(i), avoid).stem.lower() for i in range(50)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("profit rose", "Profit rose."),
        ("(x) it fell", "(X) it fell."),
        ("9 jobs", "9 jobs."),
        ("Why?", "Why?"),
    ],
)
def test_a_sentence_begins_and_ends_as_one(text, expected):
    assert sentence(text) == expected
