"""Answers held to the schema: whatever a random model writes under the grammar is valid."""

import json

import pytest

from bench.backends.llama_cpp.grammar import answer_grammar
from bench.choices import decoded_texts
from bench.errors import UsageError
from bench.records import AnswerField, AnswerSchema, Outcome
from bench.validation import judge
from tests.backends.asking import complete, sampling
from tests.builders import BARE, LETTER, SCHEMA

NUMBERS = AnswerSchema(
    fields=(
        AnswerField(name="score", type="number", minimum=-1, maximum=1),
        AnswerField(name="share", type="number", minimum=0, maximum=1),
        AnswerField(name="level", type="number", minimum=2, maximum=13),
        AnswerField(name="debt", type="number", minimum=-12, maximum=-2),
        AnswerField(name="stars", type="integer", minimum=-2, maximum=5),
        AnswerField(name="any", type="number"),
        AnswerField(name="ok", type="boolean"),
        AnswerField(name='say "é"', type="text", choices=('a"b', "ü\n")),
    )
)


def test_every_finished_answer_is_valid(open_model):
    session = open_model(sampling(max_tokens=300), NUMBERS, output="json_schema")
    completions = complete(session, range(60))
    finished = [c for c in completions if c.stop_reason == "stop"]
    assert len(finished) > 50
    assert {judge(c, NUMBERS).outcome for c in finished} == {Outcome.VALID}


def test_numbers_reach_both_signs_and_fractions(open_model):
    session = open_model(sampling(max_tokens=300), NUMBERS, output="json_schema", width=16)
    # about one score in forty has a fraction
    answers = [json.loads(c.text) for c in complete(session, range(200)) if c.stop_reason == "stop"]
    scores = [answer["score"] for answer in answers]
    assert min(scores) < 0 < max(scores)
    assert any(score != int(score) for score in scores)
    assert all(isinstance(answer["stars"], int) for answer in answers)


def test_texts_hold_no_control_characters(open_model):
    session = open_model(sampling(max_tokens=400), SCHEMA, output="json_schema")
    completions = complete(session, range(12))
    assert all(c.text.startswith("{") and c.error is None for c in completions)
    # between the quotes of the reasoning nothing may be raw; blanks before it may be new lines
    assert all("\n" not in c.text.partition(": ")[2] for c in completions if ": " in c.text[:14])
    finished = [c for c in completions if c.stop_reason == "stop"]
    assert {judge(c, SCHEMA).outcome for c in finished} <= {Outcome.VALID}


def test_constrained_seeds_reproduce(open_model):
    session = open_model(sampling(max_tokens=60), NUMBERS, output="json_schema")
    first, again = complete(session, (1,))[0], complete(session, (1,))[0]
    assert first.text == again.text


@pytest.mark.parametrize("schema", [BARE, LETTER, LETTER.model_copy(update={"prefix_as": "instruction"})])
def test_a_bare_answer_is_held_to_its_texts(open_model, schema):
    session = open_model(sampling(max_tokens=60), schema, output="json_schema")
    completions = complete(session, range(30))
    assert {judge(c, schema).outcome for c in completions} == {Outcome.VALID}
    assert {c.text for c in completions} <= set(decoded_texts(schema))


@pytest.mark.parametrize(("low", "high"), [(0, 0.5), (None, 1), (0, None), (0, 10_000)])
def test_a_range_that_cannot_be_a_grammar_is_refused(low, high):
    field = AnswerField(name="x", type="number", minimum=low, maximum=high)
    with pytest.raises(UsageError, match="'x'"):
        answer_grammar(AnswerSchema(fields=(field,)))
