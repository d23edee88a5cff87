"""What every backend behind a socket makes of servers that misbehave. A new one adds a line to FAKES."""

import inspect
import time

import pytest

from bench import backends, plugins
from bench.backends import Request, Served
from bench.errors import BackendError, NoArticlesError
from tests import builders
from tests.backends.asking import complete, fake_server_spec, prompt, sampling, texts
from tests.backends.loopback import FakeOllama, FakeOpenAi, Reply

FAKES = {"ollama": FakeOllama, "openai_api": FakeOpenAi}
"""A server on loopback that speaks the backend's language."""
WITHOUT_SERVER = {"fake": "scripted", "llama_cpp": "in this process", "hf": "in this process"}
"""Why a backend is not held to this."""


@pytest.fixture(params=[name for name in plugins.names("backends") if name not in WITHOUT_SERVER])
def name(request):
    """Every backend that has a server."""
    return request.param


@pytest.mark.parametrize("name", [name for name in plugins.names("backends") if name in WITHOUT_SERVER])
def test_this_does_not_apply_to_a_backend_without_a_server(name):
    assert not isinstance(backends.get(name), Served), f"{name} runs {WITHOUT_SERVER[name]}"


def served(name) -> Served:
    """The backend, as one behind a socket."""
    backend = backends.get(name)
    assert isinstance(backend, Served)
    return backend


def error_of(completion) -> str:
    """Why there is no answer."""
    assert completion.error is not None
    return str(completion.error)


def seconds(value) -> float:
    """A timing that has to be there."""
    assert value is not None
    return float(value)


@pytest.fixture
def server(name):
    """A server that behaves until its moods are set."""
    with FAKES[name]() as running:
        yield running


@pytest.fixture
def other(name):
    """A second one."""
    with FAKES[name]() as running:
        yield running


@pytest.fixture
def open_session(name):
    """Open an arm on servers: `open_session(servers..., sampling fields, options={}, width=4)`."""
    sessions = []

    def opened(*servers, width=4, options=None, spec_fields=None, **fields):
        spec = fake_server_spec(name, *servers, **(options or {}), **(spec_fields or {}))
        settings = sampling(max_tokens=50, context_tokens=4096, **fields)
        sessions.append(backends.get(name).open(spec, settings, builders.SCHEMA, width))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


def test_messages_are_sent_as_they_are(server, open_session):
    complete(open_session(server), (1,), text='Über "naïve" 株式\n\ttext', system="Be brief.")
    assert server.answers_asked()[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": 'Über "naïve" 株式\n\ttext'},
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mood", ["busy", "unavailable", "broken", "drops", "dies"])
def test_a_failure_that_passes_is_tried_again(server, open_session, mood, stream):
    session = open_session(server, options={"stream": stream})
    server.moods.append(mood)
    assert texts(session, (5,)) == [server.text_of(5)]
    assert len(server.answers_asked()) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mood", ["busy", "broken", "drops", "dies"])
def test_a_failure_that_stays_is_an_answer_with_an_error(server, open_session, mood, stream):
    session = open_session(server, options={"stream": stream})
    server.moods.extend([mood] * 2)
    (completion,) = complete(session, (5,))
    assert server.address in error_of(completion)
    assert (completion.text, completion.stop_reason, completion.duration_s) == ("", None, None)


@pytest.mark.parametrize(
    ("mood", "expected"),
    [
        ("not_json", "not JSON"),
        ("half_json", "not JSON"),
        ("deep_json", "not JSON"),
        ("wrong_shape", "reply"),
        ("oversize", "more than"),
        ("redirect", "redirects"),
        ("refusal", "unknown parameter"),
        ("away", "503"),
    ],
)
def test_what_cannot_pass_is_not_tried_again(server, open_session, mood, expected):
    session = open_session(server)
    server.moods.append(mood)
    (completion,) = complete(session, (5,))
    assert expected in error_of(completion)
    assert "\n" not in error_of(completion)
    assert len(error_of(completion)) < 500
    assert len(server.answers_asked()) == 1


@pytest.mark.parametrize("mood", ["not_json", "drops", "oversize", "redirect"])
def test_a_failure_does_not_disturb_the_other_answers(server, open_session, mood):
    session = open_session(server, options={"retries": 0}, width=1)
    server.moods.extend(["ok", mood])
    first, second, third = complete(session, (1, 2, 3))
    assert second.error is not None
    assert [first.text, third.text] == [server.text_of(1), server.text_of(3)]


def test_a_slow_first_token_is_waited_for(server, open_session):
    session = open_session(server, options={"stream": True})
    server.moods.append("slow")
    (completion,) = complete(session, (5,))
    assert completion.text == server.text_of(5)
    assert 0.3 <= seconds(completion.ttft_s) <= seconds(completion.duration_s)


def test_a_server_that_never_answers_is_given_up(server, open_session):
    session = open_session(server, options={"timeout_s": 0.3, "retries": 0})
    server.delay_s = 3
    (completion,) = complete(session, (5,))
    assert "within 0.3 s" in error_of(completion)


@pytest.mark.parametrize("mood", ["ok", "byte_by_byte"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "text", ["株式は 🙂 上昇", "", " leading and trailing \n", 'a "quoted" \\ text', "\x00\x1b[31m"]
)
def test_text_comes_back_as_it_was(server, open_session, mood, stream, text):
    server.text_of = lambda seed: text
    session = open_session(server, options={"stream": stream})
    server.moods.append(mood)
    (completion,) = complete(session, (5,))
    assert (completion.text, completion.stop_reason, completion.error) == (text, "stop", None)


def test_a_streamed_answer_is_the_whole_one(server, open_session):
    whole, streamed = open_session(server), open_session(server, options={"stream": True})
    first, second = complete(whole, (5,))[0], complete(streamed, (5,))[0]
    assert (first.text, first.completion_tokens, first.prompt_tokens) == (
        second.text,
        second.completion_tokens,
        second.prompt_tokens,
    )


def test_the_time_to_the_first_token_is_known_where_it_was_streamed(server, open_session):
    assert complete(open_session(server), (5,))[0].ttft_s is None
    alone = open_session(server).generate([Request(prompt(), (5,))], reuse=False)
    assert next(alone).completion.ttft_s > 0


def test_an_answer_ends_at_a_stop_text(server, open_session):
    server.text_of = lambda seed: "one two STOP three"
    assert texts(open_session(server, stop=["STOP"]), (5,)) == ["one two "]


def test_an_answer_that_is_cut_says_so(server, open_session):
    server.text_of = lambda seed: "word " * 60
    (completion,) = complete(open_session(server), (5,))
    assert (completion.stop_reason, completion.completion_tokens) == ("length", 50)


def test_an_answer_ends_with_its_object_where_that_is_asked(server, open_session):
    server.text_of = lambda seed: 'Well: {"a": "}"} and {"more": 1}'
    (completion,) = complete(open_session(server, stop_on_json=True), (5,))
    assert (completion.text, completion.stop_reason) == ('Well: {"a": "}"}', "stop")
    assert completion.completion_tokens is None
    session = open_session(server, stop_on_json=True)
    assert "".join(session.stream(Request(prompt(), (5,)))) == 'Well: {"a": "}"}'


def test_every_sample_has_its_own_seed(server, open_session):
    complete(open_session(server), (11, 12, 13))
    assert {_seed(body) for body in server.answers_asked()} == {11, 12, 13}


def _seed(body):
    return body["options"]["seed"] if "options" in body else body["seed"]


def test_a_prompt_that_does_not_fit_is_asked_about_once(server, open_session):
    session = open_session(server, width=1)
    completions = complete(session, (1, 2, 3), text="word " * 4060)
    assert [c.stop_reason for c in completions] == ["context_overflow"] * 3
    assert [(c.text, c.error) for c in completions] == [("", None)] * 3
    assert len(server.answers_asked()) == 1
    assert (completions[0].prompt_tokens or 0) > 4060


def test_a_context_that_the_server_finds_exceeded_is_an_overflow(server, open_session):
    session = open_session(server)
    server.context_tokens = 20
    assert [c.stop_reason for c in complete(session, (1,), text="word " * 60)] == ["context_overflow"]
    with pytest.raises(NoArticlesError, match="does not fit"):
        list(session.stream(Request(prompt(text="word " * 60), (1,))))


def test_a_prompt_that_was_cut_in_silence_is_an_overflow(server, open_session):
    session = open_session(server)
    server.cuts_to = 1000
    (completion,) = complete(session, (1,), text="A sentence of quite usual words. " * 2000)
    assert (completion.stop_reason, completion.text) == ("context_overflow", "")


def test_so_many_requests_are_in_flight(server, open_session):
    session = open_session(server, width=6)
    server.waits_for = 6
    requests = [Request(prompt(prompt_id=f"p{i}"), (1, 2)) for i in range(9)]
    assert len(list(session.generate(requests))) == 18
    assert server.most_in_flight == 6


def test_one_answer_at_a_time_where_nothing_may_be_shared(server, open_session):
    session = open_session(server, width=6)
    server.delay_s = 0.02
    list(session.generate([Request(prompt(), tuple(range(6)))], reuse=False))
    assert server.most_in_flight == 1


def test_leaving_early_cancels_what_is_in_flight(server, open_session):
    session = open_session(server, width=2)
    server.delay_s = 0.2
    answers = session.generate([Request(prompt(), tuple(range(40)))])
    next(answers)
    answers.close()
    time.sleep(0.3)  # what was sent before is read by a server that is busy elsewhere
    n_asked = len(server.answers_asked())
    time.sleep(0.5)
    assert len(server.answers_asked()) == n_asked < 40
    server.delay_s = 0.0
    assert len(texts(session, (1, 2))) == 2


def test_two_servers_share_the_work(server, other, open_session):
    session = open_session(server, other)
    server.delay_s = other.delay_s = 0.02
    requests = [Request(prompt(prompt_id=f"p{i}"), (1, 2)) for i in range(10)]
    assert len(list(session.generate(requests))) == 20
    session.close()
    shares = [told["n_answers"] for told in session.loaded.details["endpoints"]]
    assert sum(shares) == 20
    assert min(shares) >= 4


def test_each_server_takes_whole_prompts(server, other, open_session):
    session = open_session(server, other)
    server.delay_s = other.delay_s = 0.05
    requests = [Request(prompt(prompt_id=f"p{i}", text=f"text {i}"), (1, 2, 3, 4)) for i in range(2)]
    assert len(list(session.generate(requests))) == 8
    first = [[str(body["messages"]) for body in one.answers_asked()[:2]] for one in (server, other)]
    assert first[0][0] == first[0][1] != first[1][0] == first[1][1]


def test_a_server_that_dies_is_set_aside_and_its_work_is_done_by_the_others(server, other, open_session):
    session = open_session(server, other, options={"retries": 0})
    server.delay_s = other.delay_s = 0.02
    answers = session.generate([Request(prompt(prompt_id=f"p{i}"), (1, 2, 3)) for i in range(10)])
    found = [next(answers) for _ in range(4)]
    server.moods.extend(["drops"] * 1000)
    found += list(answers)
    assert sorted((a.prompt_id, a.seed_index) for a in found) == sorted(
        (f"p{i}", j) for i in range(10) for j in range(3)
    )
    assert all(a.completion.error is None for a in found)
    session.close()
    told = {one["address"]: one["set_aside"] for one in session.loaded.details["endpoints"]}
    assert told[other.address] is None
    assert told[server.address]


def test_a_server_that_is_not_there_at_the_start_is_set_aside_and_noted(server, other, open_session):
    other.stop()
    session = open_session(server, other)
    assert len(complete(session, range(6))) == 6
    session.close()
    told = {one["address"]: one["set_aside"] for one in session.loaded.details["endpoints"]}
    assert told[server.address] is None
    assert "connect" in told[other.address].lower()


def test_when_all_servers_fail_every_sample_has_its_error(server, other, open_session):
    session = open_session(server, other, options={"retries": 0})
    for one in (server, other):
        one.moods.extend(["broken"] * 100)
    completions = complete(session, range(12))
    assert len(completions) == 12
    assert all(completion.error for completion in completions)


def test_no_server_is_one_line_with_what_to_start(name, server, open_session):
    server.stop()
    with pytest.raises(BackendError, match="no server answers") as caught:
        open_session(server)
    assert "\n" not in str(caught.value)
    assert server.address in str(caught.value)
    with pytest.raises(BackendError, match="no server answers"):
        served(name).reached(fake_server_spec(name, server))


def test_a_server_that_answers_is_reached(name, server):
    assert server.address in served(name).reached(fake_server_spec(name, server))


@pytest.fixture
def key(name, monkeypatch):
    """A key in the environment, and the options that name it."""
    value = "sk-test-5up3r-s3cret-and-long-enough"
    takes_a_name = "api_key_env" in backends.get(name).Options.model_fields
    monkeypatch.setenv("SECRET_OF_TEST" if takes_a_name else "OLLAMA_API_KEY", value)
    return value, {"api_key_env": "SECRET_OF_TEST"} if takes_a_name else {}


def test_a_key_is_sent_and_never_told(server, open_session, key):
    secret, options = key
    server.text_of = lambda seed: f"You sent {secret}."
    session = open_session(server, options=options)
    assert texts(session, (1,)) == ["You sent ***."]
    measured = [asked for asked in server.asked if server.is_measured(asked.path, asked.body)]
    assert {asked.headers.get("Authorization") for asked in measured} == {f"Bearer {secret}"}
    session.close()
    assert "sk-test" not in session.loaded.model_dump_json()


@pytest.mark.parametrize("n_before", [0, 35, 60, 290])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_key_in_a_reply_that_went_wrong_is_never_told_not_even_in_part(
    server, open_session, key, n_before, status
):
    secret, options = key
    session = open_session(server, options={**options, "retries": 0})
    body = b"x" * n_before + f" {secret} and more".encode()
    server.reply = lambda path, asked: Reply(status, (body,))
    (completion,) = complete(session, (1,))
    assert "5up3r" not in error_of(completion)


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_beside_an_answer_are_left_out_and_noted(server, open_session, stream):
    silent = open_session(server, options={"stream": stream})
    complete(silent, (1, 2))
    session = open_session(server, options={"stream": stream})
    server.thought = "Let me see."
    assert texts(session, (1, 2)) == [server.text_of(1), server.text_of(2)]
    for one in (silent, session):
        one.close()
    assert silent.loaded.notes == ()
    assert "2 answers came with thoughts" in session.loaded.notes[0]


def test_answers_are_read_lazily(server, open_session):
    assert inspect.isgenerator(open_session(server).generate([]))
