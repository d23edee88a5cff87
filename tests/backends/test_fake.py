"""The scripted backend does what its script says."""

import time

import pytest

from bench import backends
from bench.backends import Request
from bench.errors import BackendError, ConfigError, UsageError
from bench.records import AnswerField, AnswerSchema, Outcome
from bench.validation import judge, judge_text
from tests import builders
from tests.backends.asking import complete, prompt, sampling, texts


def opened(schema=builders.SCHEMA, settings=None, quant="fp16", **options) -> backends.Session:
    spec = builders.spec(quant, options=options)
    return backends.get("fake").open(spec, settings or sampling(), schema, 1)


def test_written_answers_fit_the_schema():
    session = opened(settings=sampling(max_tokens=400))
    outcomes = {judge(c, builders.SCHEMA).outcome for c in complete(session, range(50))}
    assert outcomes == {Outcome.VALID}


def test_written_answers_fit_other_schemas_too():
    schema = AnswerSchema(
        fields=(
            AnswerField(name="label", type="text", choices=("a", "b")),
            AnswerField(name="n", type="integer", minimum=3, maximum=5),
            AnswerField(name="ok", type="boolean"),
            AnswerField(name="x", type="number", minimum=0.333, maximum=0.334),
        )
    )
    session = opened(schema, sampling(max_tokens=400))
    assert {judge(c, schema).outcome for c in complete(session, range(50))} == {Outcome.VALID}


@pytest.mark.parametrize("schema", [builders.BARE, builders.LETTER])
def test_bare_answers_are_written_bare_and_differ_between_articles(schema):
    session = opened(schema)
    by_article = [texts(session, range(40), article_id=f"a{i}") for i in range(20)]
    verdicts = [judge_text(text, schema) for answers in by_article for text in answers]
    assert {verdict.outcome for verdict in verdicts} == {Outcome.VALID}
    commonest = {max(set(answers), key=answers.count) for answers in by_article}
    assert len(commonest) == 2


def test_a_bare_answer_that_ends_in_the_middle_is_in_no_category():
    session = opened(builders.BARE, valid_rate=0.5)
    outcomes = [judge(c, builders.BARE).outcome for c in complete(session, range(200))]
    assert set(outcomes) == {Outcome.VALID, Outcome.NO_CATEGORY}


def test_arms_and_articles_differ():
    by_arm = {tuple(texts(opened(quant=quant), range(5))) for quant in ("fp16", "q8_0")}
    by_article = {tuple(texts(opened(), range(5), article_id=i)) for i in ("a", "b")}
    assert len(by_arm) == len(by_article) == 2


def test_the_valid_rate_is_about_what_was_asked():
    session = opened(settings=sampling(max_tokens=400), valid_rate=0.7)
    outcomes = [judge(c, builders.SCHEMA).outcome for c in complete(session, range(1000))]
    assert 0.6 < outcomes.count(Outcome.VALID) / 1000 < 0.8


def test_given_answers_are_chosen_by_seed():
    assert texts(opened(answers=["x", "y"]), (0, 1, 2)) == ["x", "y", "x"]


def test_an_answer_ends_before_a_stop_text():
    assert texts(opened(settings=sampling(stop=("Y",)), answers=["xYz"]), (0,)) == ["x"]


def test_every_nth_answer_fails_where_the_script_says_so():
    errors = [c.error for c in complete(opened(fail_every=2), range(4))]
    assert [error is not None for error in errors] == [False, True, False, True]


def test_all_answers_fail_after_a_while_where_the_script_says_so():
    errors = [c.error for c in complete(opened(fail_after=1), range(3))]
    assert [error is not None for error in errors] == [False, True, True]


def test_the_backend_dies_where_the_script_says_so():
    answers = opened(die_after=2).generate([Request(prompt(), (1, 2, 3))])
    assert len([next(answers), next(answers)]) == 2
    with pytest.raises(BackendError, match="after 2 answers"):
        next(answers)


def test_a_named_article_overflows():
    session = opened(overflow_articles=["a1"])
    assert complete(session, (1,), article_id="a1")[0].stop_reason == "context_overflow"
    assert complete(session, (1,), article_id="a2")[0].stop_reason == "stop"


def test_timings_are_absent_unless_a_delay_was_asked_for():
    assert complete(opened(), (1,))[0].duration_s is None
    duration_s = complete(opened(delay_s=0.01), (1,))[0].duration_s
    assert duration_s is not None
    assert duration_s >= 0.01


def test_reported_tokens_can_be_scripted():
    assert complete(opened(tokens=7), (1,))[0].completion_tokens == 7


def test_the_digest_changes_with_the_script():
    fake = backends.get("fake")
    digests = {fake.digest(builders.spec(options={"tokens": n})) for n in (1, 2)}
    assert len(digests) == 2


def test_lone_surrogates_in_a_script_stay_visible():
    assert texts(opened(answers=["\ud800"]), (0,)) == ["\\ud800"]


@pytest.mark.parametrize("options", [{"valid_rate": 2}, {"answers": []}, {"fail_every": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        opened(**options)


def test_an_adapter_is_refused():
    with pytest.raises(UsageError, match="adapter"):
        backends.get("fake").check(builders.spec(adapter="x"), sampling())


def test_an_answer_is_cheap():
    session = opened()
    list(session.generate([Request(prompt(), tuple(range(100)))]))
    began = time.perf_counter()
    list(session.generate([Request(prompt(), tuple(range(2000)))]))
    assert (time.perf_counter() - began) / 2000 < 300e-6  # some 20 microseconds on an idle machine
