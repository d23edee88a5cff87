"""vLLM's own routes and words, against a server on loopback that has them."""

import pytest

from bench import backends
from bench.backends import Request
from bench.errors import UsageError
from tests import builders
from tests.backends.asking import complete, fake_server_spec, prompt, sampling, texts
from tests.backends.loopback import FakeVllm


@pytest.fixture
def server():
    """vLLM on loopback."""
    with FakeVllm() as running:
        yield running


@pytest.fixture
def open_session(server):
    """Open an arm there."""
    sessions = []

    def opened(settings=None, **options):
        spec = fake_server_spec("openai_api", server, server="vllm", **options)
        settings = settings or sampling(context_tokens=4096)
        sessions.append(backends.get("openai_api").open(spec, settings, builders.SCHEMA, 4))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


def test_a_prompt_that_does_not_fit_is_refused_before_any_token(server, open_session):
    completions = complete(open_session(), (1, 2, 3), text="word " * 5000)
    assert [c.stop_reason for c in completions] == ["context_overflow"] * 3
    assert server.answers_asked() == []
    assert (
        len([asked for asked in server.asked if asked.path == "/tokenize"]) == 3
    )  # two of them to try it out


def test_several_answers_come_from_one_request_in_the_order_of_their_numbers(server, open_session):
    completions = complete(open_session(n_per_request=4), (11, 500, 600, 700, 800))
    assert [c.text for c in completions] == [server.text_of(seed) for seed in (11, 12, 13, 14, 800)]
    assert [c.seed_sent for c in completions] == [11, 11, 11, 11, None]
    assert [c.completion_tokens for c in completions[:4]] == [None] * 4
    assert [body.get("n") for body in server.answers_asked()] == [4, None]


def test_seeds_that_a_server_derives_are_told_in_the_manifest(open_session):
    assert any("seed_sent" in warning for warning in open_session(n_per_request=4).loaded.details["warnings"])


def test_answers_that_are_timed_share_nothing_with_each_other(server, open_session):
    list(open_session().generate([Request(prompt(), (1, 2))], reuse=False))
    salts = [body["cache_salt"] for body in server.answers_asked()]
    assert len(set(salts)) == 2


def test_the_older_interface_is_sent_the_tokens(server, open_session):
    assert texts(open_session(endpoint="completions"), (5,)) == [server.text_of(5)]
    (body,) = server.answers_asked()
    assert body["prompt"] == list(range(1, 7))


def test_the_server_is_described(open_session):
    loaded = open_session().loaded
    assert loaded.engine == "vllm 0.22.1"
    (facts,) = loaded.details["servers"]
    assert (facts["root"], facts["max_model_len"]) == ("org/tiny", 100_000)


def test_a_context_larger_than_the_servers_is_refused(server, open_session):
    server.context_tokens = 2048
    with pytest.raises(UsageError, match="holds 2048 tokens"):
        open_session()


def test_it_shows_tokens_and_probabilities_by_their_ids(server, open_session):
    server.alternatives = {"token_id:7": -0.5, "token_id:9": -1.5, "token_id:x": None}
    session = open_session()
    assert session.rendered(prompt()) is None
    assert session.token_ids(prompt()) == tuple(range(1, 7))
    told = [(7, "", -0.5), (9, "", -1.5)]
    assert list(session.first_logprobs(prompt(), 2)) == told
    assert list(open_session(endpoint="completions").first_logprobs(prompt(), 2)) == told
    chat, older = [asked.body for asked in server.asked if "logprobs" in asked.body]
    assert (chat["logprobs"], chat["top_logprobs"], chat["return_tokens_as_token_ids"]) == (True, 2, True)
    assert (older["logprobs"], chat["temperature"], chat["top_k"]) == (2, 1.0, -1)
