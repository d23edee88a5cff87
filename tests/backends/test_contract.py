"""What every backend has to do alike. A new backend adds one line to CASES.

What happens on the way to a server (429 and 503, malformed JSON, a slow first token, a server that dies in
mid-run, several servers) is held in `test_servers.py`, over every backend that has one; whole runs on servers
that are killed and come back in `tests/test_served_run.py`.
"""

from collections.abc import Callable

import pytest

from bench import backends, plugins
from bench.backends import BackendState, Inspectable, Request
from bench.errors import ConfigError, UsageError
from bench.records import ModelSpec
from bench.validation import judge
from tests import builders
from tests.backends.asking import complete, hf_spec, llama_spec, prompt, sampling, server_spec, texts

CASES: dict[str, Callable[[pytest.FixtureRequest], ModelSpec]] = {
    "fake": lambda request: builders.spec(),
    "hf": lambda request: hf_spec(request.getfixturevalue("tiny_hf")),
    "llama_cpp": lambda request: llama_spec(request.getfixturevalue("tiny_model")),
    "ollama": lambda request: request.getfixturevalue("ollama_arm"),
    "openai_api": lambda request: server_spec(request.getfixturevalue("llama_server")),
}
"""An arm of each backend; fixtures give it a tiny model, or a real server that holds one."""
SCRIPTED = {"fake": "its answers are scripted", "ollama": "its server is a fake, unless OLLAMA_HOST answers"}
NAMES = plugins.names("backends")


@pytest.fixture(params=NAMES)
def name(request):
    """Every backend in the folder."""
    return request.param


@pytest.fixture
def spec(name, request):
    """An arm of that backend that answers at once."""
    assert name in CASES, f"add an arm of the backend {name!r} to CASES, so that it is held to the contract"
    return CASES[name](request)


@pytest.fixture
def open_session(name, spec):
    """Open that arm with some sampling; it is closed at the end."""
    sessions = []

    def opened(**fields):
        session = backends.get(name).open(spec, sampling(**fields), builders.SCHEMA, 1)
        sessions.append(session)
        return session

    yield opened
    for session in sessions:
        session.close()


def test_a_module_names_its_class_and_its_options(name):
    backend = backends.get(name)
    assert isinstance(backend.state(), BackendState)
    assert backend.Options.model_config["extra"] == "forbid"
    assert all(field.description for field in backend.Options.model_fields.values())


def test_an_unknown_option_is_refused_with_the_known_ones(name, spec):
    wrong = spec.model_copy(update={"options": {"no_such_option": 1}})
    with pytest.raises(ConfigError, match=r"no_such_option.*options of"):
        backends.get(name).check(wrong, sampling())


def test_the_loaded_digest_is_the_one_that_was_foretold(name, spec, open_session):
    assert open_session().loaded.digest == backends.get(name).digest(spec)


def test_every_seed_is_answered_once(open_session):
    requests = [Request(prompt(prompt_id="p0"), (5, 6, 5)), Request(prompt(prompt_id="p1"), (7,))]
    answers = list(open_session().generate(requests))
    assert sorted((a.prompt_id, a.seed_index) for a in answers) == [
        ("p0", 0),
        ("p0", 1),
        ("p0", 2),
        ("p1", 0),
    ]


def test_equal_seeds_give_equal_answers(open_session):
    first, second, third = texts(open_session(), (1, 2, 1))
    assert first == third
    assert [first, second] == texts(open_session(), (1, 2))


def test_other_seeds_give_other_answers(open_session):
    assert len(set(texts(open_session(), range(8)))) > 4


def test_greedy_answers_do_not_depend_on_the_seed(open_session):
    assert len(set(texts(open_session(temperature=0), range(4)))) == 1


def test_an_answer_ends_at_max_tokens(open_session):
    completions = complete(open_session(max_tokens=3), range(8))
    assert {c.stop_reason for c in completions} <= {"length", "stop"}
    cut = [c for c in completions if c.stop_reason == "length"]
    assert cut
    assert {c.completion_tokens for c in cut} == {3}


def test_the_conversation_is_read_as_it_was_written(name, open_session):
    session = open_session()
    if not isinstance(session, Inspectable):
        pytest.skip(f"{name} reads nothing: {SCRIPTED[name]}")
    asked = prompt('Gewinn "steigt"\n um 4 % 🙂', system="Sei <kurz> & knapp.")
    text = session.rendered(asked)
    assert text is not None
    assert 0 <= text.find("Sei <kurz> & knapp.") < text.find('Gewinn "steigt"\n um 4 % 🙂')


def test_what_one_prompt_says_decides_its_answer_alone(name, open_session):
    if name in SCRIPTED:
        pytest.skip(f"{name} reads nothing: {SCRIPTED[name]}")
    session = open_session()
    asked = [prompt(text, f"p{i}") for i, text in enumerate(("Up 4 %.", "Down 9 %, they said.", "Flat."))]
    together = {a.prompt_id: a.completion.text for a in session.generate(Request(p, (7,)) for p in asked)}
    assert len(set(together.values())) == 3
    assert together["p1"] == texts(session, (7,), text="Down 9 %, they said.", prompt_id="p1")[0]


def test_an_answer_of_nothing_is_empty_and_no_failure(open_session):
    found = texts(open_session(), range(16))
    seed, first = next((seed, text[0]) for seed, text in enumerate(found) if text[:1].isascii() and text)
    (completion,) = complete(open_session(stop=[first]), (seed,))
    assert (completion.text, completion.stop_reason, completion.error) == ("", "stop", None)
    assert judge(completion, builders.SCHEMA).outcome == "empty"


def test_an_answer_ends_before_a_stop_text(open_session):
    found = texts(open_session(), range(8))
    seed, stop = next(
        (seed, c) for seed, text in enumerate(found) for c in text[1:] if c.isascii() and c.isalnum()
    )
    (completion,) = complete(open_session(stop=[stop]), (seed,))
    assert (completion.text, completion.stop_reason) == (found[seed].partition(stop)[0], "stop")


def test_a_sampling_value_is_honoured_or_refused(name, spec, open_session):
    if name in SCRIPTED:
        pytest.skip(f"{name} draws nothing here: {SCRIPTED[name]}")
    try:
        backends.get(name).check(spec, sampling(top_k=1))
    except UsageError:
        return
    assert len(set(texts(open_session(top_k=1), range(4)))) == 1


def test_text_in_any_language_is_read_and_answered(open_session):
    (completion,) = complete(
        open_session(), (1,), text="株式 🙂 naïve\u202e\x00 <|im_end|> {{ x }}", system="Ответь."
    )
    assert completion.error is None
    assert completion.stop_reason in {"stop", "length"}


def test_leaving_early_does_not_disturb_the_next_answers(open_session):
    session = open_session()
    alone = texts(session, (1,))
    answers = iter(session.generate([Request(prompt(prompt_id=f"p{i}"), (1, 2)) for i in range(3)]))
    next(answers)
    del answers
    assert texts(session, (1,)) == alone


def test_a_prompt_that_does_not_fit_is_an_overflow_for_every_seed(open_session):
    session = open_session(context_tokens=64, max_tokens=32)
    completions = complete(session, (1, 2), text="word " * 200)
    assert [c.stop_reason for c in completions] == ["context_overflow"] * 2
    assert [c.text for c in completions] == ["", ""]
    assert [c.error for c in completions] == [None, None]


def test_an_overflow_does_not_disturb_the_next_prompt(open_session):
    session = open_session(context_tokens=128, max_tokens=8)
    alone = texts(session, (1,))
    complete(session, (1,), text="word " * 400)
    assert texts(session, (1,)) == alone


def test_no_requests_give_no_answers(open_session):
    assert list(open_session().generate([])) == []


def test_a_stream_is_the_answer_in_pieces(open_session):
    session = open_session()
    assert "".join(session.stream(Request(prompt(), (3,)))) == texts(session, (3,))[0]


def test_timings_are_absent_or_more_than_nothing(open_session):
    for completion in complete(open_session(), (1, 2)):
        for seconds in (completion.ttft_s, completion.duration_s, completion.load_s):
            assert seconds is None or seconds > 0


def test_closing_twice_does_nothing(open_session):
    session = open_session()
    session.close()
    session.close()
