"""A line of a samples file is checked while it is parsed."""

import json

import pytest

from bench.records import AnswerField, AnswerSchema, Completion, Outcome, Verdict
from bench.sample_lines import line_reader
from tests.builders import BARE, SCHEMA, sample

ANSWER = {"reasoning": "x", "sentiment": 0.4, "confidence": 1, "extra": [None]}
VALID = Verdict(outcome=Outcome.VALID, answer=ANSWER)


def line(verdict=VALID, **fields):
    return sample(
        verdict=verdict, completion=Completion(text="{}", duration_s=1.5), **fields
    ).model_dump_json()


def changed(before, after):
    made = line()
    assert before in made
    return made.replace(before, after).encode()


def test_a_sample_is_read_as_the_standard_library_reads_it():
    read = line_reader(SCHEMA)(line().encode())
    assert read == json.loads(line())
    # a whole number stays whole: an export writes what came
    assert json.dumps(read, sort_keys=True) == json.dumps(json.loads(line()), sort_keys=True)


def test_a_failed_answer_and_an_older_run_s_line_are_samples():
    failed = json.loads(line(Verdict(outcome=Outcome.EMPTY)))
    del failed["completion"]["confidence"], failed["completion"]["seed_sent"], failed["seed"]
    failed["from_a_later_bench"] = 1
    assert line_reader(SCHEMA)(json.dumps(failed).encode()) == failed


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"outcome":"valid"', '"outcome":"weird"', r"not a sample \(verdict.outcome: "),
        ('"outcome":"valid"', '"outcome":"empty"', "there is one where the outcome is empty"),
        (json.dumps(ANSWER, separators=(",", ":")), "null", "none where the outcome is valid"),
        ('"text":"{}"', '"text":3', r"completion.text: Input should be a valid string"),
        ('"sentiment":0.4', '"sentiment":1e400', "sentiment: Input should be a finite number from -1 to 1"),
        ('"sentiment":0.4', '"sentiment":NaN', "finite number from -1 to 1"),
        ('"sentiment":0.4', '"sentiment":7', "finite number from -1 to 1"),
        ('"sentiment":0.4', '"sentiment":true', "finite number from -1 to 1"),
        ('"sentiment":0.4', '"score":0.4', "sentiment: Field required"),
        ('"duration_s":1.5', '"duration_s":"1.5"', "completion.duration_s: "),
        ('"iteration":0', '"iteration":-1', "iteration: "),
        ('"iteration":0', '"iteration":0.5', "iteration: "),
        ('"errors":[]', '"errors":null', "verdict.errors: "),
        ('{"run_id"', '{"run_id', "not JSON"),
    ],
)
def test_what_is_no_sample_is_told_by_field(before, after, said):
    with pytest.raises(ValueError, match=said):
        line_reader(SCHEMA)(changed(before, after))


@pytest.mark.parametrize("text", ["{}", "[1,2]", "3", "null", "\n", '"x"', '{"a":"\\ud800"}'])
def test_json_of_another_kind_is_no_sample(text):
    with pytest.raises(ValueError, match=r"not a sample|not JSON"):
        line_reader(SCHEMA)(text.encode())


def test_bytes_that_are_no_text_are_not_json():
    with pytest.raises(ValueError, match="not JSON"):
        line_reader(SCHEMA)(b'{"a":"\xff"}')


def test_a_label_is_one_of_the_task_s():
    good = Verdict(outcome=Outcome.VALID, answer={"label": "good"})
    read = line_reader(BARE)
    assert read(line(good).encode())["verdict"]["answer"] == {"label": "good"}
    with pytest.raises(ValueError, match=r"verdict.answer.label: Input should be 'bad' or 'good'"):
        read(line(good).replace('"label":"good"', '"label":"great"').encode())


def test_an_integer_has_the_limits_of_its_field():
    schema = AnswerSchema(fields=(AnswerField(name="urgency", type="integer", minimum=0.5, maximum=5),))
    made = line(Verdict(outcome=Outcome.VALID, answer={"urgency": 5}))
    assert line_reader(schema)(made.encode())["verdict"]["answer"] == {"urgency": 5}
    for wrong in ("0", "6", "2.5", "true"):
        with pytest.raises(ValueError, match=r"verdict\.answer\.urgency"):
            line_reader(schema)(made.replace('"urgency":5', f'"urgency":{wrong}').encode())


def test_without_a_recorded_schema_any_object_is_an_answer():
    any_answer = Verdict(outcome=Outcome.VALID, answer={"x": 1})
    assert line_reader(None)(line(any_answer).encode())["verdict"]["answer"] == {"x": 1}
    with pytest.raises(ValueError, match="not a sample"):
        line_reader(None)(b"{}")
