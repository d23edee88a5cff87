"""Bare answers: what counts as a label or a letter, what is only tolerated, and what is garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import choices
from bench.records import AnswerField, AnswerSchema, Completion, Outcome, Tolerance
from bench.validation import judge, judge_text, recover

ALL: tuple[Tolerance, ...] = ("space", "case", "period", "quotes", "brackets")


def bare(*labels: str, **settings) -> AnswerSchema:
    field = AnswerField(name="label", type="text", choices=labels or ("negative", "neutral", "positive"))
    return AnswerSchema(**{"form": "label", "fields": (field,), "label": "label", **settings})


def outcome(text: str, schema: AnswerSchema, stop_reason=None) -> str:
    return judge_text(text, schema, stop_reason).outcome.value


def answer(text: str, schema: AnswerSchema):
    verdict = judge_text(text, schema)
    return None if verdict.answer is None else schema.label_of(verdict.answer)


# ---------------------------------------------------------------- a label


def test_a_label_and_nothing_else_is_valid_and_stands_under_its_field():
    verdict = judge_text("neutral", bare())
    assert (verdict.outcome, verdict.answer, verdict.errors) == (Outcome.VALID, {"label": "neutral"}, ())


@pytest.mark.parametrize("text", [" neutral", "neutral\n", "Neutral", "neutral.", '"neutral"', "(neutral)"])
def test_what_is_not_declared_is_not_tolerated(text):
    assert outcome(text, bare()) == "no_category"


@pytest.mark.parametrize(
    ("text", "tolerance"),
    [
        (" neutral\n", "space"),
        ("NEUTRAL", "case"),
        ("neutral.", "period"),
        ("'neutral'", "quotes"),
        ("“neutral”", "quotes"),
        ("[neutral]", "brackets"),
    ],
)
def test_each_tolerance_lets_through_its_own_difference_and_no_other(text, tolerance):
    assert answer(text, bare(tolerates=(tolerance,))) == "neutral"
    others = tuple(name for name in ALL if name != tolerance)
    assert outcome(text, bare(tolerates=others)) == "no_category"


@pytest.mark.parametrize(
    "text", ["neutral..", "''neutral''", "neutral!", "neu tral", "neutral, positive", "1"]
)
def test_all_tolerances_together_still_want_a_label(text):
    assert outcome(text, bare(tolerates=ALL)) == "no_category"


def test_a_listed_synonym_stands_for_its_label_and_an_unlisted_one_for_nothing():
    schema = bare(label_map={"bad": "negative", "good": "positive"}, tolerates=("case",))
    assert answer("Good", schema) == "positive"
    assert outcome("great", schema) == "no_category"


def test_an_empty_text_and_a_failed_measurement_come_first():
    assert outcome(" \n", bare(tolerates=("space",))) == "empty"
    assert outcome("neutral", bare(), "context_overflow") == "context_overflow"
    assert judge(Completion(text="neutral", error="gone"), bare()).outcome is Outcome.BACKEND_ERROR


def test_a_label_that_was_cut_off_is_truncated_and_a_cut_sentence_is_garbage():
    assert outcome("neut", bare(), "length") == "truncated"
    assert outcome("The comment is", bare(), "length") == "no_category"
    assert outcome("neut", bare(), "stop") == "no_category"
    assert outcome("neutral", bare(), "length") == "valid"


# ---------------------------------------------------------------- a letter

LETTER = bare("sarcastic", "sincere", form="letter", tolerates=("space", "period", "brackets"))


@pytest.mark.parametrize(
    ("text", "label"), [("A", "sarcastic"), ("(B)", "sincere"), (" B.", "sincere"), ("A)", "sarcastic")]
)
def test_a_letter_stands_for_its_option(text, label):
    assert answer(text, LETTER) == label


@pytest.mark.parametrize("text", ["C", "AB", "sarcastic", "A. sarcastic", "a"])
def test_another_letter_or_the_label_itself_is_no_category(text):
    assert outcome(text, LETTER) == "no_category"


def test_a_prompt_lists_the_options_with_their_letters():
    assert choices.options(LETTER) == "A. sarcastic\nB. sincere"
    assert choices.options(bare()) == "negative, neutral, positive"


# ---------------------------------------------------------------- a prefix

PREFIX = "The correct option is"


def test_after_a_prefix_that_was_given_one_space_may_come():
    schema = bare("yes", "no", prefix=PREFIX)
    assert answer(" yes", schema) == answer("yes", schema) == "yes"
    assert outcome("  yes", schema) == "no_category"
    assert outcome(f"{PREFIX} yes", schema) == "no_category"


def test_a_prefix_that_was_asked_for_must_be_written():
    schema = bare("yes", "no", prefix=PREFIX, prefix_as="instruction", tolerates=("period",))
    assert answer(f"{PREFIX} yes.", schema) == "yes"
    assert outcome("yes", schema) == "no_category"
    assert outcome(f"{PREFIX.lower()} yes", schema) == "no_category"
    assert outcome("The correct", schema, "length") == "truncated"


# ---------------------------------------------------------------- what a lenient reader takes


def test_one_label_in_a_sentence_is_recoverable_and_two_are_not():
    assert recover("I would say it is Positive, surely", bare()) == {"label": "positive"}
    assert recover("positive or negative", bare()) is None
    assert recover("positively", bare()) is None
    assert not judge_text("nothing", bare()).recoverable
    assert judge_text("It is neutral", bare()).recoverable


def test_a_longer_label_is_not_taken_for_the_shorter_one_in_it():
    assert recover("clearly not sarcastic", bare("sarcastic", "not sarcastic")) == {"label": "not sarcastic"}


# ---------------------------------------------------------------- what holds for all of them

SCHEMAS = [
    bare(),
    LETTER,
    bare("yes", "no", prefix=PREFIX),
    bare("yes", "no", form="letter", prefix=PREFIX, prefix_as="instruction"),
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_a_decoder_may_write_is_valid(schema):
    assert {answer(text, schema) for text in choices.decoded_texts(schema)} == set(schema.fields[0].choices)


@given(st.text(max_size=60), st.sampled_from(SCHEMAS), st.sampled_from([None, "stop", "length"]))
def test_any_text_gets_a_verdict_and_only_a_label_an_answer(text, schema, stop_reason):
    verdict = judge_text(text, schema, stop_reason)
    assert verdict.outcome in {Outcome.EMPTY, Outcome.VALID, Outcome.TRUNCATED, Outcome.NO_CATEGORY}
    assert (verdict.answer is not None) == (verdict.outcome is Outcome.VALID)
    assert (verdict.errors == ()) == (verdict.outcome is Outcome.VALID)


def test_labels_that_a_tolerance_makes_the_same_are_found():
    assert choices.ambiguous(bare("US", "us")) is None
    assert choices.ambiguous(bare("US", "us", tolerates=("case",))) == "'US' and 'us'"


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"label": "other"}, "no text field with choices"),
        ({"score": "label"}, "has one field"),
        ({"form": "json", "tolerates": ("case",)}, "for the forms label and letter"),
        ({"prefix": "It is "}, "white space"),
        ({"label_map": (("bad", "negative"), ("bad", "positive"))}, "stands there twice"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(settings, part):
    with pytest.raises(ValueError, match=part):
        bare(**settings)


@pytest.mark.parametrize(
    ("field", "part"),
    [
        ({"type": "number", "choices": ("1",)}, "choices are for a text"),
        ({"type": "text", "choices": ("a", "a")}, "twice"),
        ({"type": "text", "minimum": 0}, "are for numbers"),
        ({"type": "number", "minimum": 1, "maximum": 0}, "above the maximum"),
    ],
)
def test_a_field_whose_limits_are_not_of_its_type_is_refused(field, part):
    with pytest.raises(ValueError, match=part):
        AnswerField(name="x", **field)
