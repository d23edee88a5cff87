"""What each step leaves, changes and counts."""

import pytest
from pydantic import ValidationError

from bench.datasets.row import Row
from bench.datasets.steps import labels
from bench.errors import ConfigError
from tests.datasets.building import applied, rows, setting


def texts(found):
    return [row.text for row in found]


def test_normalise_makes_the_same_characters_of_the_same_things(tmp_path):
    where = setting(tmp_path)
    given = rows("it\u2019s  &amp; don`t\u200b", "cafe\u0301", "caf\u00c3\u00a9", "a\n b", " \u200b ")
    found = applied("normalise", given, where)
    assert texts(found) == ["it's & don't", "caf\u00e9", "caf\u00e9", "a b"]
    assert where.counts["places of mojibake mended"] == 1
    assert where.counts["left out: no text"] == 1
    assert where.counts["rows with HTML entities"] == 1


def test_normalise_can_keep_lines(tmp_path):
    assert texts(applied("normalise", rows("a  b\n c "), setting(tmp_path), white_space="lines")) == [
        "a b\nc"
    ]


def test_an_entity_is_read_once_and_no_further(tmp_path):
    assert texts(applied("normalise", rows("&amp;lt; AT&T &copy &#39;"), setting(tmp_path))) == [
        "&lt; AT&T &copy '"
    ]


def test_tokenised_quotes_become_quotes(tmp_path):
    assert texts(applied("normalise", rows("`` yes '' he said"), setting(tmp_path))) == ['" yes " he said']


def test_labels_get_score_reason_and_confidence(tmp_path):
    (row,) = applied(
        "labels",
        rows("a", label="bearish", entity="Acme"),
        setting(tmp_path),
        map={"bearish": "negative"},
        scores={"negative": -0.7},
        reasoning={"negative": "Bad for {entity}."},
        confidence=0.8,
    )
    assert (row.label, row.score, row.reasoning, row.confidence) == ("negative", -0.7, "Bad for Acme.", 0.8)


def test_what_a_row_has_already_stays(tmp_path):
    given = [Row("a", label="x", score=0.1, reasoning="own", confidence=0.4)]
    (row,) = applied(
        "labels", given, setting(tmp_path), scores={"x": 1}, reasoning={"x": "new"}, confidence=1
    )
    assert (row.score, row.reasoning, row.confidence) == (0.1, "own", 0.4)


def test_a_label_that_is_not_foreseen_is_refused_or_dropped_as_asked(tmp_path):
    where = setting(tmp_path)
    with pytest.raises(ConfigError, match="test:1: the label 'odd' is not foreseen; there are x"):
        applied("labels", rows("a", label="odd"), where, scores={"x": 1})
    assert applied("labels", rows("a", label="odd"), where, scores={"x": 1}, unknown="drop") == []
    assert where.counts == {"left out: label not foreseen": 1}


def test_a_reason_with_a_place_that_cannot_be_filled_is_refused():
    with pytest.raises(ValidationError, match=r"only \{entity\} and \{label\}"):
        labels.Options(reasoning={"x": "for {price}"})


def test_filter_says_the_first_reason(tmp_path):
    where = setting(tmp_path)
    given = [Row("a"), Row("a b", confidence=0.2), Row("a b", confidence=None), Row("a b c d")]
    assert texts(applied("filter", given, where, min_words=2, max_words=3, min_confidence=0.5)) == ["a b"]
    assert where.counts == {
        "left out: fewer than 2 words": 1,
        "left out: confidence below 0.5": 1,
        "left out: more than 3 words": 1,
    }


DISPUTED = [
    Row("Same.", label="x", confidence=0.9),
    Row("same", label="y", confidence=0.6),
    Row("same!", label="y", confidence=0.7),
    Row("other", label="x", confidence=0.1),
]


@pytest.mark.parametrize(
    ("rule", "left"),
    [("majority", ["same", "same!", "other"]), ("confidence", ["Same.", "other"]), ("drop", ["other"])],
)
def test_conflicts_are_settled_by_the_stated_rule(tmp_path, rule, left):
    where = setting(tmp_path)
    assert texts(applied("conflicts", DISPUTED, where, rule=rule)) == left
    assert where.counts["with more than one label"] == 1


def test_nobody_wins_a_tie(tmp_path):
    where = setting(tmp_path)
    assert applied("conflicts", [DISPUTED[0], DISPUTED[1]], where) == []
    assert where.counts["left out: no label won"] == 2


def test_of_equal_rows_the_first_or_the_most_certain_stays(tmp_path):
    same = [row._replace(label="x") for row in DISPUTED[:3]]
    assert texts(applied("deduplicate", same[::-1], setting(tmp_path))) == ["same!"]
    assert texts(applied("deduplicate", same[::-1], setting(tmp_path), keep="most_confident")) == ["Same."]


def test_rows_without_an_id_are_not_the_same_by_id(tmp_path):
    given = [Row("a"), Row("a"), Row("b", id="1"), Row("c", id="1")]
    assert texts(applied("deduplicate", given, setting(tmp_path), by="id")) == ["a", "a", "b"]


LONG = "Acme said on Monday that its sales in the third quarter rose by nine percent to a record"


def test_nearly_the_same_text_goes_and_a_disagreeing_label_is_counted(tmp_path):
    where = setting(tmp_path)
    given = [Row(LONG, label="x"), Row(LONG + " high", label="y"), Row("Something else was said", label="x")]
    assert texts(applied("near_duplicates", given, where)) == [LONG, "Something else was said"]
    assert where.counts["left out: nearly the same as another"] == 1
    assert where.counts["of these with another label"] == 1


def test_the_same_text_about_another_company_is_no_near_duplicate(tmp_path):
    given = [Row(LONG, entity="Acme"), Row(LONG, entity="Brightwater")]
    assert len(applied("near_duplicates", given, setting(tmp_path))) == 2


@pytest.mark.parametrize(
    "leak",
    [
        LONG.upper(),
        "rose by nine percent to a record, Acme said on Monday that its sales in the third quarter",
        "sales in the third quarter rose by nine percent",
        "In other news: " + LONG + ", and the weather stays fine until the end of the week in most places.",
    ],
)
def test_what_appears_in_an_evaluation_text_is_taken_out(tmp_path, leak):
    where = setting(tmp_path, [LONG])
    kept = "Brightwater closed a plant in the north because gas had become too dear"
    assert texts(applied("leaks", rows(leak, kept), where, against=["set"])) == [kept]
    assert where.counts["left out: in an evaluation text"] == 1


def test_a_short_text_leaks_only_where_it_is_a_whole_evaluation_text(tmp_path):
    where = setting(tmp_path, [LONG, "Thank you"])
    assert texts(applied("leaks", rows("thank you!", "on Monday"), where, against=["set"])) == ["on Monday"]


def test_mended_and_damaged_forms_of_one_text_are_the_same_leak(tmp_path):
    where = setting(tmp_path, ["Sepp+\u00f1l+\u00f1 P+\u00c2yry +\u00e0land rose"])
    assert (
        applied("leaks", rows("Sepp\u00e4l\u00e4 P\u00f6yry \u00c5land rose"), where, against=["set"]) == []
    )


def test_an_evaluation_set_without_texts_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no evaluation text"):
        applied("leaks", rows("a"), setting(tmp_path), against=["set"])


def test_balance_keeps_as_many_of_each_label_and_their_order(tmp_path):
    given = [Row(str(n), label="x" if n % 3 else "y") for n in range(30)]
    found = applied("balance", given, setting(tmp_path))
    assert sum(row.label == "x" for row in found) == sum(row.label == "y" for row in found) == 10
    assert [int(row.text) for row in found] == sorted(int(row.text) for row in found)


def test_a_sample_is_the_same_for_a_seed_and_another_for_another(tmp_path):
    given = rows(*map(str, range(100)))
    first = applied("sample", given, setting(tmp_path, seed="a"), n=10)
    assert first == applied("sample", given, setting(tmp_path, seed="a"), n=10)
    assert first != applied("sample", given, setting(tmp_path, seed="b"), n=10)
    assert len(applied("sample", given, setting(tmp_path), n=1000)) == 100


def test_a_sample_can_be_drawn_from_each_side_of_the_sources(tmp_path):
    given = [Row(f"text {n}", split="train" if n % 4 else "test") for n in range(100)]
    found = applied("sample", given, setting(tmp_path), n=20, each_side=True)
    assert [row.split for row in found].count("train") == 20
    assert [row.split for row in found].count("test") == 20


def test_a_template_puts_a_rows_fields_into_its_text(tmp_path):
    where = setting(tmp_path)
    given = [Row("Sales rose.", label="good", reasoning="Good news."), Row("It rained.", label="none")]
    found = applied("template", given, where, text="{text}\n{reasoning}")
    assert [(row.text, row.label) for row in found] == [("Sales rose.\nGood news.", "good")]
    assert where.counts["left out: no reasoning"] == 1


@pytest.mark.parametrize("text", ["{text.__class__}", "{colour}", "{}", "{text"])
def test_a_template_that_names_no_field_is_refused(tmp_path, text):
    with pytest.raises(ValidationError, match=r"no field|not a template"):
        applied("template", rows("a"), setting(tmp_path), text=text)
