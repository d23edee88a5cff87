"""Public sets, built from their own files: every count against one made here, without the code under test."""

import csv
import html
import re
import shutil
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from bench.data import build
from bench.datasets import folder
from bench.datasets.recipe import load_recipe

ROOT = Path(__file__).parents[2]
NAMES = ("airline", "phrasebank", "tweet_extraction", "financial_tweets", "text")
BUILT = {
    "tweet_extraction": "tweet-extraction",
    "financial_tweets": "financial-tweets",
    "text": "shakespeare",
}


@pytest.fixture(scope="module")
def built(real_data, tmp_path_factory):
    """Every recipe that ships for data that is here, built once."""
    out = tmp_path_factory.mktemp("built")
    return out, {name: build(load_recipe(recipe_path(name)), real_data, out) for name in NAMES}


def recipe_path(name):
    return ROOT / "recipes" / "data" / f"{name}.yaml"


def records(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def plain_words(text):
    """What is compared, in other words than the code's."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"(https?://|www\.)\S+", " ", text)
    return " ".join(re.findall(r"\w+", text)) or text.strip()


def step(card, name, nth=0):
    return [s for s in card.steps if s.step == name][nth]


# ---------------------------------------------------------------- airline


def test_airline_records_with_newlines_are_one_row_each(real_data, built):
    _, cards = built
    tweets = records(real_data / "twitter-us-airline" / "Tweets.csv")
    source = cards["airline"].sources[0]
    assert source.n_rows == len(tweets) == 14640
    assert source.counts["newline inside the text"] == sum("\n" in t["text"] for t in tweets) == 138


def test_the_18_tweet_ids_with_two_labels_are_settled_and_the_others_are_there_once(real_data, built):
    _, cards = built
    labels = defaultdict(list)
    for tweet in records(real_data / "twitter-us-airline" / "Tweets.csv"):
        labels[tweet["tweet_id"]].append(tweet["airline_sentiment"])
    disputed = {i for i, found in labels.items() if len(set(found)) > 1}
    conflicts, once = step(cards["airline"], "conflicts"), step(cards["airline"], "deduplicate")
    assert conflicts.counts["with more than one label"] == len(disputed) == 18
    assert conflicts.n_rows_in - conflicts.n_rows_out == sum(len(labels[i]) for i in disputed) == 36
    assert once.n_rows_out == len(labels) - 18 == 14467


def test_airline_texts_are_there_once_and_with_the_label_that_most_gave(real_data, built):
    out, cards = built
    rows = {t["tweet_id"]: t for t in records(real_data / "twitter-us-airline" / "Tweets.csv")[::-1]}
    labels = defaultdict(list)
    for tweet in records(real_data / "twitter-us-airline" / "Tweets.csv"):
        labels[tweet["tweet_id"]].append(tweet["airline_sentiment"])
    votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for i, tweet in rows.items():
        if len(set(labels[i])) == 1:
            votes[tweet["airline"], plain_words(html.unescape(tweet["text"]))][
                tweet["airline_sentiment"]
            ] += 1
    ties = sum(len(v) > 1 and len({n for _, n in v.most_common(2)}) == 1 for v in votes.values())
    assert step(cards["airline"], "deduplicate", 1).n_rows_out == len(votes) - ties
    for row in folder.all_rows(out / "airline"):
        assert row.entity is not None
        found = votes[row.entity, plain_words(row.text)]
        assert found.most_common(1)[0][0] == row.label


def test_airline_rows_below_half_confidence_are_left_out(built):
    out, cards = built
    assert all((row.confidence or 0) >= 0.5 for row in folder.all_rows(out / "airline"))
    assert step(cards["airline"], "filter").counts["left out: confidence below 0.5"] > 200


# ---------------------------------------------------------------- FinancialPhraseBank

LEVELS = {"AllAgree": 1.0, "75Agree": 0.75, "66Agree": 0.66, "50Agree": 0.5}


def phrases(real_data):
    """(sentence, label) -> highest level, counted by hand."""
    best: dict[tuple[str, str], float] = {}
    for level, confidence in LEVELS.items():
        path = real_data / "financial-phrasebank" / f"Sentences_{level}.txt"
        for line in filter(None, path.read_text(encoding="latin-1").split("\n")):
            sentence, _, label = line.rpartition("@")
            best.setdefault((sentence, label), confidence)
    return best


def test_nested_phrasebank_files_give_each_sentence_once_at_its_highest_level(real_data, built):
    _, cards = built
    source, best = cards["phrasebank"].sources[0], phrases(real_data)
    assert source.n_rows == len({sentence for sentence, _ in best})
    n_lines = sum(
        len(path.read_bytes().splitlines())
        for path in (real_data / "financial-phrasebank").glob("Sentences_*")
    )
    assert source.counts["lines"] == n_lines == 9824


def test_phrasebank_labels_and_confidences_are_those_of_the_highest_level(real_data, built):
    out, _ = built
    highest: dict[str, dict[str, float]] = defaultdict(dict)
    for (sentence, label), confidence in phrases(real_data).items():
        levels = highest[" ".join(re.findall(r"[A-Za-z0-9]+", sentence)).lower()]
        levels[label] = max(confidence, levels.get(label, 0.0))
    rows = [row for row in folder.all_rows(out / "phrasebank") if row.text.isascii()]
    compared = 0
    for row in rows:
        found = highest.get(" ".join(re.findall(r"[A-Za-z0-9]+", row.text)).lower())
        if found:
            compared += 1
            assert row.label is not None
            assert row.confidence == found[row.label] == max(found.values())
    assert compared > 0.95 * len(rows)


def test_two_phrasebank_sentences_have_two_labels_and_the_higher_level_decides(real_data):
    labels = defaultdict(set)
    for sentence, label in phrases(real_data):
        labels[sentence].add(label)
    disputed = sorted(sentence for sentence, found in labels.items() if len(found) > 1)
    assert [sentence.split()[0] for sentence in disputed] == ["TELECOMWORLDWIRE-7", "The"]


def test_phrasebank_mojibake_is_mended_where_it_can_be_and_counted_where_not(real_data, built):
    out, cards = built
    found = step(cards["phrasebank"], "normalise").counts
    text = "\n".join({sentence for sentence, _ in phrases(real_data)})
    pairs = re.findall(r"([+-])([^\x00-\x7f])", text)
    lost = [pair for pair in pairs if pair[1] in "\u00f3\u00a6\u00bc\u00e2"]  # parts of a second damage
    assert found["places of mojibake mended"] == len(pairs) - len(lost)
    assert found["places that cannot be read"] == len(lost)
    texts = [row.text for row in folder.all_rows(out / "phrasebank")]
    assert any("L\u00e4nnen Tehtaat" in t for t in texts)
    assert any("Bank of \u00c5land" in t for t in texts)


# ---------------------------------------------------------------- tweets in three classes


def test_spans_that_a_spreadsheet_damaged_are_counted_and_their_tweets_stay(real_data, built):
    _, cards = built
    tweets = records(real_data / "tweet-sentiment-extraction" / "Tweets.csv")
    damaged = [t for t in tweets if t["selected_text"] not in t["text"]]
    excel = [t for t in damaged if t["selected_text"] == "#NAME?"]
    counts = cards["tweet_extraction"].sources[0].counts
    assert counts["supporting words left out: #NAME?"] == len(excel) > 0
    assert sum(n for what, n in counts.items() if what.startswith("supporting")) == len(damaged) == 36
    assert counts["left out: no text"] == 1
    assert cards["tweet_extraction"].sources[0].n_rows == len(tweets) - 1 == 27480


def test_training_tweets_that_are_in_the_test_set_are_left_out(real_data, built):
    out, cards = built
    here = real_data / "tweet-sentiment-extraction"
    train = {plain_words(html.unescape(t["text"])) for t in records(here / "Tweets.csv")}
    test = [plain_words(html.unescape(t["text"])) for t in records(here / "kaggle_train.csv")]
    assert sum(text in train for text in test) >= 8
    kept = {plain_words(row.text) for row in folder.rows(out / "tweet-extraction", "train")}
    assert not kept & set(test)
    assert cards["tweet_extraction"].sides["test"].n_rows == 3534


def test_mixed_line_ends_of_financial_tweets_are_read_right(built):
    _, cards = built
    sources = cards["financial_tweets"].sources
    assert [source.n_rows for source in sources] == [9543, 2388]
    assert sources[0].counts["newline inside the text"] == 184
    labels: Counter[str] = Counter()
    for side in cards["financial_tweets"].sides.values():
        labels.update(side.labels)
    assert labels.keys() == {"negative", "neutral", "positive"}


# ---------------------------------------------------------------- every set


@pytest.mark.parametrize("name", NAMES)
def test_rows_come_out_of_a_step_as_they_go_into_the_next(built, name):
    card = built[1][name]
    given = sum(source.n_rows for source in card.sources)
    for each in card.steps:
        left_out = sum(n for what, n in each.counts.items() if what.startswith("left out"))
        assert (each.n_rows_in, each.n_rows_out) == (given, given - left_out)
        given = each.n_rows_out
    assert given == card.n_rows
    assert all(s.licence for s in card.sources)


@pytest.mark.parametrize("name", NAMES)
def test_no_near_duplicate_of_an_evaluation_item_is_in_training(built, name):
    """By another measure than the build's: trigrams of characters, every pair that shares a rare one."""
    out, _ = built
    where = out / BUILT.get(name, name)
    train = [plain_words(row.text) for row in folder.rows(where, "train")]
    held_out = [plain_words(row.text) for s in ("validation", "test") for row in folder.rows(where, s)]
    assert not set(train) & set(held_out)
    assert list(near(train, held_out)) == []


def near(train, held_out, threshold=0.8):
    """Pairs of texts whose sets of words have a Jaccard similarity of `threshold`; four words at least."""
    sets = [frozenset(text.split()) for text in train]
    by_word = defaultdict(list)
    for place, words in enumerate(sets):
        for word in words:
            by_word[word].append(place)
    for text in held_out:
        words = frozenset(text.split())
        if len(words) < 4:
            continue
        rarest = sorted(words, key=lambda w: len(by_word[w]))[: len(words) - int(threshold * len(words)) + 1]
        for place in {place for word in rarest for place in by_word[word]}:
            other = sets[place]
            if len(words & other) >= threshold * len(words | other):
                yield text, train[place]


def test_building_a_public_set_twice_gives_the_same_bytes(real_data, built, tmp_path):
    out, _ = built
    build(load_recipe(recipe_path("phrasebank")), real_data, tmp_path)
    one, two = (
        {p.relative_to(base): p.read_bytes() for p in sorted(base.rglob("*")) if p.is_file()}
        for base in (out / "phrasebank", tmp_path / "phrasebank")
    )
    assert one == two
    shutil.rmtree(tmp_path / "phrasebank")
