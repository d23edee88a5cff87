"""Each reader on small files with the faults that the real ones have."""

import json
from collections import Counter
from pathlib import Path

import pytest

from bench.datasets import readers
from bench.errors import BenchError, ConfigError
from bench.records import Article
from tests.datasets.building import write_csv


def read(name, path, **options):
    """Rows and counts of a reader."""
    reader = readers.load(name)
    counts: Counter[str] = Counter()
    rows = list(reader.read(reader.Options(path=str(path), **options), Path(), counts))
    return rows, {what: n for what, n in counts.items() if n}


AIRLINE = ["tweet_id", "airline_sentiment", "airline_sentiment_confidence", "airline", "text"]


def test_a_newline_inside_quotes_is_part_of_its_tweet(tmp_path):
    record = ["570306133677760513", "negative", "0.6842", "United", "first line\nsecond line"]
    rows, counts = read("airline", write_csv(tmp_path / "t.csv", AIRLINE, record))
    assert [row.text for row in rows] == ["first line\nsecond line"]
    assert counts == {"newline inside the text": 1}


def test_an_id_of_18_digits_loses_none(tmp_path):
    record = ["570306133677760513", "negative", "0.6842", "United", "late"]
    (row,), _ = read("airline", write_csv(tmp_path / "t.csv", AIRLINE, record))
    assert (row.id, row.confidence, row.entity) == ("570306133677760513", 0.6842, "United")


def test_a_record_with_a_field_too_many_is_refused_with_its_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",".join(AIRLINE) + "\n1,negative,1,United,a,b\n")
    with pytest.raises(ConfigError, match=r"t\.csv:2: 6 fields where the header has 5"):
        read("airline", path)


def test_a_missing_column_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match="no column 'airline_sentiment'; there are: tweet_id, text"):
        read("airline", write_csv(tmp_path / "t.csv", ["tweet_id", "text"], ["1", "a"]))


def phrasebank(folder, **levels):
    for level, lines in levels.items():
        text = "".join(f"{line}\n" for line in lines)
        folder.joinpath(f"Sentences_{level}.txt").write_bytes(text.encode("iso-8859-1"))
    return folder


def test_nested_files_give_each_sentence_once_with_its_highest_level(tmp_path):
    folder = phrasebank(
        tmp_path,
        AllAgree=["Up .@positive"],
        **{
            "75Agree": ["Up .@positive", "Down .@negative"],
            "50Agree": ["Up .@positive", "Down .@negative", "So .@neutral"],
        },
    )
    rows, counts = read("phrasebank", folder)
    assert [(r.text, r.label, r.confidence) for r in rows] == [
        ("Up .", "positive", 1.0),
        ("Down .", "negative", 0.75),
        ("So .", "neutral", 0.5),
    ]
    assert counts == {"lines": 6, "in a file of a higher level too": 3}


def test_a_sentence_with_two_labels_at_its_level_comes_with_both(tmp_path):
    folder = phrasebank(tmp_path, **{"50Agree": ["So .@neutral", "So .@positive", "So .@neutral"]})
    rows, counts = read("phrasebank", folder)
    assert [(r.label, r.place) for r in rows] == [
        ("neutral", "Sentences_50Agree.txt:1"),
        ("positive", "Sentences_50Agree.txt:2"),
    ]
    assert counts["twice in one file"] == 1


def test_latin1_bytes_are_read_and_no_other_character_ends_a_line(tmp_path):
    folder = phrasebank(tmp_path, AllAgree=["Sepp+\u00f1l+\u00f1\u0085 rose@positive"])
    (row,), _ = read("phrasebank", folder)
    assert row.text == "Sepp+\u00f1l+\u00f1\u0085 rose"


def test_a_line_without_a_label_is_refused_with_its_number(tmp_path):
    folder = phrasebank(tmp_path, AllAgree=["Up .@positive", "Down ."])
    with pytest.raises(ConfigError, match=r"Sentences_AllAgree\.txt:2: not `sentence@label`"):
        read("phrasebank", folder)


TWEETS = ["textID", "text", "selected_text", "sentiment"]


def test_a_span_that_a_spreadsheet_damaged_is_left_out_and_its_tweet_stays(tmp_path):
    path = write_csv(
        tmp_path / "t.csv",
        TWEETS,
        ["a", "-so good-", "#NAME?", "positive"],
        ["b", "bad day", "bad", "negative"],
        ["c", "fine day", "no", "neutral"],
        ["d", "", "", "neutral"],
    )
    rows, counts = read("tweet_extraction", path)
    assert [row.reasoning for row in rows] == [None, 'The words "bad" say so.', None]
    assert counts == {
        "supporting words left out: #NAME?": 1,
        "supporting words left out: not in the text": 1,
        "left out: no text": 1,
    }


def test_mixed_line_ends_do_not_divide_a_tweet(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'text,label\r\n"one\ntwo",0\r\nthree,2\r\n')
    rows, counts = read("financial_tweets", path)
    assert [(r.text, r.label) for r in rows] == [("one\ntwo", "bearish"), ("three", "neutral")]
    assert counts == {"newline inside the text": 1}


def test_a_comment_comes_with_the_one_it_answers(tmp_path):
    header = ["label", "comment", "author", "parent_comment"]
    path = write_csv(
        tmp_path / "s.csv",
        header,
        ["1", "Sure.", "x", "Rain."],
        ["0", "", "y", "Rain."],
        ["0", "Yes", "z", ""],
    )
    rows, counts = read("sarcasm", path)
    assert [(r.text, r.label, r.parts) for r in rows] == [
        ("Sure.", "sarcastic", (("parent", "Rain."),)),
        ("Yes", "not_sarcastic", ()),
    ]
    assert counts == {"left out: no comment": 1, "without a parent": 1}


def test_any_table_is_read_by_a_map_of_its_columns(tmp_path):
    path = tmp_path / "any.jsonl"
    lines = [{"body": "good", "stars": 5, "who": "Acme"}, {"body": "#NAME?", "stars": 1, "who": None}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows, counts = read("table", path, columns={"text": "body", "label": "stars", "entity": "who"})
    assert [(r.text, r.label, r.entity) for r in rows] == [("good", "5", "Acme")]
    assert counts == {"left out: no text": 1}


def test_a_table_in_another_encoding_says_so(tmp_path):
    path = tmp_path / "any.csv"
    path.write_bytes("text\ncaf\u00e9\n".encode("cp1252"))
    with pytest.raises(ConfigError, match="not utf-8"):
        read("table", path)
    (row,), _ = read("table", path, encoding="cp1252")
    assert row.text == "caf\u00e9"


@pytest.mark.parametrize("value", ["high", "nan", "inf"])
def test_a_number_that_is_none_is_refused_with_its_record(tmp_path, value):
    path = write_csv(tmp_path / "any.csv", ["text", "n"], ["a", "1"], ["b", value])
    with pytest.raises(ConfigError, match="record 2"):
        read("table", path, columns={"score": "n"})


def test_news_columns_are_found_by_their_usual_names(tmp_path):
    path = write_csv(
        tmp_path / "n.csv", ["Headline", "Article", "Ticker"], ["Up", "It rose.", "ACM"], ["Only", "", ""]
    )
    rows, counts = read("news", path)
    assert [(r.title, r.text, r.entity) for r in rows] == [("Up", "It rose.", "ACM")]
    assert counts == {"left out: no text": 1}
    assert [r.text for r in read("news", path, headlines=True)[0]] == ["It rose.", "Only"]


def test_news_without_a_column_of_text_says_what_there_is(tmp_path):
    with pytest.raises(ConfigError, match="no column with the text; there are: a, b"):
        read("news", write_csv(tmp_path / "n.csv", ["a", "b"], ["1", "2"]))


@pytest.mark.parametrize(
    ("unit", "texts"),
    [
        ("line", ["one", "two", "three"]),
        ("paragraph", ["one\ntwo", "three"]),
        ("document", ["one\ntwo\n\nthree"]),
    ],
)
def test_plain_text_is_cut_into_the_units_asked_for(tmp_path, unit, texts):
    path = tmp_path / "t.txt"
    path.write_text("one\ntwo\n\nthree\n")
    assert [row.text for row in read("text", path, unit=unit)[0]] == texts


def test_pieces_end_where_a_line_does(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("".join(f"line {n:03} of the text\n" for n in range(20)))
    rows, _ = read("text", path, unit="piece", characters=100)
    assert all(100 <= len(row.text) + 1 <= 125 for row in rows[:-1])
    assert "\n".join(row.text for row in rows) + "\n" == path.read_text()


def test_frozen_articles_come_with_company_and_parts(tmp_path):
    path = tmp_path / "a.jsonl"
    article = Article(id="x", text="It rose.", source="s", entity={"name": "Acme"}, parts={"parent": "p"})
    path.write_text(article.model_dump_json() + "\n")
    (row,), _ = read("articles", path)
    assert (row.text, row.entity, row.parts) == ("It rose.", "Acme", (("parent", "p"),))


@pytest.mark.parametrize("name", ["airline", "text", "table", "articles", "sarcasm", "phrasebank", "rows"])
def test_a_path_that_is_not_there_is_one_clear_error(tmp_path, name):
    with pytest.raises(BenchError, match="nowhere"):
        read(name, tmp_path / "nowhere")
