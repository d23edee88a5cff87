"""The validator's rules, one by one, and what must hold for any text at all."""

import json
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.records import AnswerField, AnswerSchema, Completion, Outcome, Verdict
from bench.validation import MAX_DEPTH, judge, judge_text, recover
from tests.builders import SCHEMA

GOOD = '{"reasoning": "Sales rose.", "sentiment": 0.5, "confidence": 1}'
PARSED = {"reasoning": "Sales rose.", "sentiment": 0.5, "confidence": 1}

any_text = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def outcome(text, stop_reason=None, schema=SCHEMA) -> str:
    return judge_text(text, schema, stop_reason).outcome.value


def with_field(**fields) -> str:
    return json.dumps({**PARSED, **fields})


# ---------------------------------------------------------------- outcomes and their order


def test_an_answer_that_fits_is_valid_and_is_returned():
    verdict = judge_text(GOOD, SCHEMA)
    assert verdict == Verdict(outcome=Outcome.VALID, answer=PARSED, recoverable=True)


def test_json_white_space_around_an_answer_is_no_other_text():
    assert outcome(f" \r\n\t{GOOD}\n\n") == "valid"


@pytest.mark.parametrize("mark", ["\u00a0", "\ufeff", "\u3000", "\x0b"])
def test_white_space_that_json_does_not_know_is_other_text(mark):
    assert outcome(mark + GOOD) == "extra_text"


@pytest.mark.parametrize("text", ["", " ", "\n\t\r ", "\u00a0\u3000", "\x0c"])
def test_a_text_of_white_space_is_empty(text):
    assert outcome(text) == "empty"
    assert outcome(text, "length") == "empty"


def test_a_backend_error_comes_before_everything():
    completion = Completion(text=GOOD, stop_reason="context_overflow", error="connection lost")
    verdict = judge(completion, SCHEMA)
    assert verdict.outcome is Outcome.BACKEND_ERROR
    assert verdict.errors == ("connection lost",)
    assert not verdict.recoverable


def test_context_overflow_comes_before_the_text():
    completion = Completion(text=GOOD, stop_reason="context_overflow")
    assert judge(completion, SCHEMA).outcome is Outcome.CONTEXT_OVERFLOW


def test_a_missing_field_comes_before_a_wrong_type():
    assert outcome('{"reasoning": 1, "sentiment": 9}') == "missing_field"


def test_a_wrong_type_comes_before_a_range():
    assert outcome('{"reasoning": "x", "sentiment": 9, "confidence": "1"}') == "wrong_type"


def test_a_number_beyond_its_range_is_out_of_range():
    assert outcome(with_field(sentiment=1.01)) == "out_of_range"
    assert outcome(with_field(confidence=-0.01)) == "out_of_range"
    assert outcome(with_field(sentiment=-1, confidence=0)) == "valid"


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_reasoning_is_out_of_range(blank):
    assert outcome(with_field(reasoning=blank)) == "out_of_range"


def test_an_integer_is_a_number():
    assert judge_text(with_field(sentiment=1), SCHEMA).answer == {**PARSED, "sentiment": 1}


@pytest.mark.parametrize("value", [True, False, "0.5", None, [0.5], {}])
def test_nothing_else_is_a_number(value):
    assert outcome(with_field(sentiment=value)) == "wrong_type"


def test_every_fault_is_told():
    errors = judge_text('{"reasoning": "", "sentiment": "x"}', SCHEMA).errors
    assert [error.partition(":")[0] for error in errors] == ["reasoning", "sentiment", "confidence"]


def test_unknown_keys_are_allowed_and_listed():
    verdict = judge_text(with_field(extra=[1, {"a": None}], schema=2), SCHEMA)
    assert verdict.outcome is Outcome.VALID
    assert verdict.unknown_keys == ("extra", "schema")


@pytest.mark.parametrize("text", ["[]", "null", "true", "3", "-1.5e3", '"text"', f"[{GOOD}]"])
def test_json_that_is_no_object_is_a_wrong_type(text):
    assert outcome(text) == "wrong_type"


def test_a_key_that_stands_twice_is_a_wrong_type():
    text = GOOD[:-1] + ', "confidence": 0}'
    verdict = judge_text(text, SCHEMA)
    assert verdict.outcome is Outcome.WRONG_TYPE
    assert verdict.recoverable  # a lenient reader takes the last one


def test_a_key_that_stands_twice_inside_an_unknown_key_is_seen():
    assert outcome(GOOD[:-1] + ', "more": [{"a": 1, "a": 1}]}') == "wrong_type"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinities_are_not_json(constant):
    assert outcome(GOOD.replace("0.5", constant)) == "not_json"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "-" + "9" * 5000])
def test_a_number_too_large_for_a_float_is_out_of_range_wherever_it_stands(number):
    assert outcome(GOOD.replace("0.5", number)) == "out_of_range"
    assert outcome(GOOD[:-1] + f', "more": [{number}]}}') == "out_of_range"


@pytest.mark.parametrize(
    "half", [r"\ud800", r"\udfff", r"\uDC00\uD800", r"\ud83d \ude00", r"\\\ud800", chr(0xD800), chr(0xDCFF)]
)
def test_half_a_surrogate_pair_is_not_json(half):
    assert outcome(GOOD.replace("Sales", half)) == "not_json"


@pytest.mark.parametrize("whole", [r"\ud83d\ude00", "😀", r"\\ud800", r"\u00e9", "\u2028"])
def test_whole_characters_are_json_however_they_are_written(whole):
    assert outcome(GOOD.replace("Sales", whole)) == "valid"


@pytest.mark.parametrize("control", ["\x00", "\n", "\x1f"])
def test_a_raw_control_character_in_a_string_is_not_json(control):
    assert outcome(GOOD.replace("Sales", control)) == "not_json"


def test_nesting_is_judged_alike_up_to_its_limit_and_beyond():
    def nested(depth: int) -> str:
        return GOOD[:-1] + ', "more": ' + "[" * depth + "]" * depth + "}"

    assert outcome(nested(MAX_DEPTH - 1)) == "valid"
    assert [outcome(nested(depth)) for depth in (MAX_DEPTH, 500, 200_000)] == ["not_json"] * 3


def test_brackets_in_a_string_are_no_nesting():
    assert outcome(with_field(reasoning="[{" * 300)) == "valid"


def test_an_object_is_judged_even_when_it_was_cut_off():
    assert outcome(GOOD, "length") == "valid"
    assert outcome("{}", "length") == "missing_field"


@pytest.mark.parametrize(
    "text", [GOOD[:-1], "{", "Let me think", '{"a": {"b": 1}, "c', '{"a": "they said {} is']
)
def test_a_text_cut_off_before_an_object_was_complete_is_truncated(text):
    assert outcome(text, "length") == "truncated"
    assert outcome(text, "stop") == "not_json"


def test_truncated_json_is_not_counted_as_schema_error():
    assert judge_text('{"reasoning": "x", "sent', SCHEMA, "length").outcome is Outcome.TRUNCATED


@pytest.mark.parametrize("opening", ["```\n", "```json\n", "```JSON \r\n"])
def test_json_in_one_code_fence_is_fenced(opening):
    assert outcome(f"\n{opening}{GOOD}\n```\n") == "fenced"


def test_an_empty_or_broken_fence_is_not_fenced():
    assert outcome("```json\n```") == "not_json"
    assert outcome("```json\n{'a': 1}\n```") == "not_json"


@pytest.mark.parametrize(
    "text",
    [
        f"Here it is: {GOOD}",
        f"{GOOD} I hope this helps.",
        f"{GOOD}\n{GOOD}",
        f"I think:\n```json\n{GOOD}\n```",
        f"```json\n{GOOD}",
        f"{{{GOOD}}}",
        f'{GOOD} {{"reasoning": "and',
    ],
)
def test_an_object_with_other_text_is_extra_text(text):
    assert outcome(text) == "extra_text"
    assert outcome(text, "length") == "extra_text"


@pytest.mark.parametrize("text", ['{"a": {"b": 1}, "c": NaN}', '{"a": {"b": 1}, "c": "d'])
def test_an_object_inside_a_broken_one_is_no_answer(text):
    assert outcome(text) == "not_json"


# ---------------------------------------------------------------- schemas


def test_every_type_of_field_is_strict():
    schema = AnswerSchema(
        fields=(
            AnswerField(name="label", type="text", choices=("up", "down")),
            AnswerField(name="n", type="integer", minimum=0, maximum=5),
            AnswerField(name="_sure", type="boolean"),
            AnswerField(name="model_config", type="number"),
        )
    )
    good = {"label": "up", "n": 5, "_sure": False, "model_config": -7}

    def changed(**fields: object) -> str:
        return outcome(json.dumps({**good, **fields}), schema=schema)

    assert changed() == "valid"
    assert [changed(label="sideways"), changed(n=6), changed(n=-1)] == ["out_of_range"] * 3
    wrong = [changed(label=1), changed(n=1.0), changed(n=True), changed(_sure=1), changed(model_config="1")]
    assert wrong == ["wrong_type"] * 5


# ---------------------------------------------------------------- recoverable


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"Sure! {GOOD} Bye",
        GOOD[:-1],
        GOOD[:-1] + ",}",
        "{'reasoning': 'Sales rose.', 'sentiment': 0.5, 'confidence': 1}",
        '{"reasoning": "Sales rose.", "more": None, "sentiment": 0.5, "ok": True, "confidence": 1}',
        "```json\n{'reasoning': 'Sales rose.', 'sentiment': 0.5, 'confidence': 1,}\n```",
        f"The answer is:\n{GOOD[:-1]}",
    ],
)
def test_a_lenient_reader_gets_what_is_there_in_another_form(text):
    verdict = judge_text(text, SCHEMA)
    assert verdict.recoverable
    assert verdict.outcome is not Outcome.VALID
    assert verdict.answer is None
    found = recover(text, SCHEMA)
    assert found is not None
    assert {key: found[key] for key in PARSED} == PARSED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "{}",
        with_field(sentiment="0.5"),
        with_field(sentiment=7),
        GOOD.replace("0.5", "NaN"),
        GOOD[:20],
    ],
)
def test_a_lenient_reader_invents_nothing(text):
    assert recover(text, SCHEMA) is None
    assert not judge_text(text, SCHEMA).recoverable


@pytest.mark.parametrize(
    "hostile",
    [
        "{'" * 8000,
        '{("a"' * 3000,
        "{" * 100_000,
        '{"' * 100_000,
        "{a:'" * 4000,
        "{\n```\n" * 4000,
        "[" * 200_000,
    ],
)
def test_hostile_texts_take_bounded_time(hostile):
    begin = time.perf_counter()
    judge_text("{reasoning sentiment confidence" + hostile, SCHEMA)
    assert time.perf_counter() - begin < 5


# ---------------------------------------------------------------- any text

punctuation = ["{", "}", "[", "]", '"', "'", ":", ",", "```", "json\n", "\\", "-", "\n"]
values = ["NaN", "1e999", "9" * 4400, "\\ud83d", "\x00", "\ufeff", chr(0xD800), "\u2028"]
names = ['"reasoning"', '"sentiment"', '"confidence"', GOOD, GOOD[:30]]
fragments = st.sampled_from([*punctuation, *values, *names])
texts = st.text(st.characters(), max_size=200) | st.lists(fragments, max_size=20).map("".join)
answers = st.fixed_dictionaries(
    {
        "reasoning": st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
        "sentiment": st.floats(-1, 1) | st.integers(-1, 1),
        "confidence": st.floats(0, 1) | st.integers(0, 1),
    }
)
stop_reasons = st.sampled_from([None, "stop", "length", "context_overflow"])


@any_text
@given(texts, stop_reasons)
@example("[" * 100_000, None)
@example('{"a":' * 100_000, "length")
def test_any_text_gets_a_verdict_that_can_be_stored(text, stop_reason):
    verdict = judge_text(text, SCHEMA, stop_reason)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    assert (verdict.answer is not None) == (verdict.outcome is Outcome.VALID)
    assert verdict.errors or verdict.outcome is Outcome.VALID


@any_text
@given(texts)
def test_a_valid_text_is_strict_json_with_every_field(text):
    verdict = judge_text(text, SCHEMA)
    if verdict.outcome is Outcome.VALID:
        value = json.loads(text)
        assert value == verdict.answer
        assert value["reasoning"].strip()
        assert -1 <= value["sentiment"] <= 1
        assert 0 <= value["confidence"] <= 1


@any_text
@given(answers, st.booleans(), st.sampled_from([None, 2]))
def test_every_right_answer_is_valid_however_it_is_written(answer, ascii_only, indent):
    verdict = judge_text(json.dumps(answer, ensure_ascii=ascii_only, indent=indent), SCHEMA)
    assert verdict.outcome is Outcome.VALID
    assert verdict.answer == answer


@any_text
@given(answers, st.data())
def test_the_beginning_of_an_answer_is_truncated_or_empty(answer, data):
    text = json.dumps(answer)
    cut = data.draw(st.integers(0, len(text) - 1))
    assert outcome(text[:cut], "length") == ("truncated" if cut else "empty")


@any_text
@given(answers, st.text("abc .!?\n", min_size=1).filter(str.strip), st.booleans())
def test_an_answer_with_words_around_it_is_extra_text(answer, words, before):
    text = json.dumps(answer)
    assert outcome(words + text if before else text + words) == "extra_text"
