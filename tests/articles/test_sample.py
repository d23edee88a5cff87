"""The bundled articles: enough, varied, balanced, labelled as the task would, none of its examples."""

import re
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest
import yaml

from bench import articles, tasks
from bench.articles.sources import sample

ARTICLES = articles.load("sample")
TASK = tasks.load("financial_news")
FEW_SHOT_COMPANIES = {
    "Quillon Instruments",
    "Tamberlane Foods",
    "Orsova Rail",
    "Pellworm Energy",
    "Gravenhurst Bank",
    "Halden Mutual",
}
SHARED_WORDS = 8

by_name = pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.entity.name)


def words(text) -> list[str]:
    return re.findall(r"\w+", text.lower())


def runs(text) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[i : i + SHARED_WORDS]) for i in range(len(found) - SHARED_WORDS + 1)}


def label_of(score) -> str:
    assert TASK.answer.label_thresholds is not None
    low, high = TASK.answer.label_thresholds
    return "negative" if score < low else "positive" if score > high else "neutral"


def test_there_are_at_least_40_articles():
    assert len(ARTICLES) >= 40


@by_name
def test_an_article_has_80_to_500_words(article):
    assert 80 <= len(article.text.split()) <= 500


def test_short_middle_and_long_articles_are_all_there():
    lengths = [len(article.text.split()) for article in ARTICLES]
    assert sum(n < 140 for n in lengths) >= 8
    assert sum(150 <= n <= 300 for n in lengths) >= 15
    assert sum(n > 300 for n in lengths) >= 8


def test_the_labels_are_balanced():
    counts = Counter(article.label for article in ARTICLES)
    assert set(counts) == set(TASK.labels)
    assert min(counts.values()) >= 0.25 * len(ARTICLES)
    assert max(counts.values()) <= 0.40 * len(ARTICLES)


@pytest.mark.parametrize("n", [10, 20, 30])
def test_the_first_n_articles_are_balanced_too(n):
    counts = Counter(article.label for article in articles.load("sample", n))
    assert min(counts[label] for label in TASK.labels) >= 0.25 * n


@by_name
def test_the_label_follows_from_the_reference_score(article):
    assert -1 <= article.reference_score <= 1
    assert article.label == label_of(article.reference_score)


def test_scores_are_graded_and_not_only_extremes():
    scores = {article.reference_score or 0.0 for article in ARTICLES}
    assert len(scores) >= 12
    assert any(0.05 < abs(score) <= 0.3 for score in scores)


def test_ids_and_entities_are_distinct():
    assert len({article.id for article in ARTICLES}) == len(ARTICLES)
    assert len({article.entity.name for article in ARTICLES if article.entity}) == len(ARTICLES)


@by_name
def test_the_id_is_the_one_that_text_and_entity_give(article):
    assert article.id == article.make_id(article.text, article.entity)


@by_name
def test_the_entity_is_named_in_the_text(article):
    assert article.entity.name in article.text


@by_name
def test_no_few_shot_company_appears(article):
    everything = f"{article.title} {article.text} {article.entity.name}"
    assert not [company for company in FEW_SHOT_COMPANIES if company.split()[0] in everything]


def test_the_few_shot_companies_are_those_of_the_task():
    named = {example.entity.name for example in TASK.examples if example.entity}
    assert named == FEW_SHOT_COMPANIES - {"Halden Mutual"}
    assert any("Halden Mutual" in example.article for example in TASK.examples)


def test_no_two_articles_share_a_run_of_eight_words():
    seen: dict[tuple[str, ...], str | None] = {}
    for article in ARTICLES:
        for run in runs(article.text):
            assert run not in seen, f"{article.title!r} and {seen[run]!r}: {' '.join(run)}"
        seen |= dict.fromkeys(runs(article.text), article.title)


def test_no_article_shares_a_run_of_eight_words_with_an_example():
    examples = set().union(*(runs(example.article) for example in TASK.examples))
    assert not [article.title for article in ARTICLES if runs(article.text) & examples]


@by_name
def test_nothing_depends_on_when_or_where_it_is_read(article):
    assert article.source == "sample"
    assert article.fetched_at is None
    assert article.url is None
    assert article.published_at is None or article.published_at.utcoffset() is not None


def test_two_readings_give_the_same_bytes():
    again = articles.load("sample")
    assert [a.model_dump_json() for a in again] == [a.model_dump_json() for a in ARTICLES]


def test_every_record_of_the_file_says_its_topic_and_why():
    records = yaml.safe_load(sample.DATA.read_text(encoding="utf-8"))
    assert all(record["topic"].strip() and record["why"].strip() for record in records)
    assert len({record["topic"] for record in records}) >= 30


def test_a_weekday_in_a_dateline_is_the_day_of_publication():
    # "Feb 6 - ... on Thursday": a slip here would make a text contradict its own date
    for article in ARTICLES:
        found = re.search(r"\b(?:[A-Z]{4,}, |\()([A-Z][a-z]{2}) (\d{1,2})\b", article.text[:60])
        if found and article.published_at:
            written = datetime.strptime(f"{found[1]} {found[2]} {article.published_at.year}", "%b %d %Y")
            assert written.date() == article.published_at.date()


def test_neighbours_in_the_file_do_not_all_have_one_label():
    same = sum(a.label == b.label for a, b in pairwise(ARTICLES))
    assert same <= len(ARTICLES) // 10
