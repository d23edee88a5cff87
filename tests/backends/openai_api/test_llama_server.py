"""Against llama.cpp's own server, started for these tests."""

import pytest

from bench import backends
from bench.backends import Request
from bench.errors import BackendError, ModelFileError, UsageError
from bench.validation import judge
from tests import builders
from tests.backends.asking import complete, fake_server_spec, prompt, sampling, server_spec, texts
from tests.backends.loopback import FakeOpenAi
from tests.fixtures.llama_server import CONTEXT, LlamaServer


@pytest.fixture
def open_server(llama_server):
    """Open an arm on the real server."""
    sessions = []

    def opened(settings=None, server=llama_server, width=4, output="free", **options):
        spec = server_spec(server, **options).model_copy(update={"output": output})
        session = backends.get("openai_api").open(spec, settings or sampling(), builders.SCHEMA, width)
        sessions.append(session)
        return session

    yield opened
    for session in sessions:
        session.close()


def test_it_reads_as_many_tokens_as_the_engine_in_this_process(open_server, open_model):
    asked = {"text": "Gewinn steigt um 4 % 🙂", "system": "Kurz, bitte."}
    served = complete(open_server(), (1,), **asked)[0]
    assert served.prompt_tokens == complete(open_model(), (1,), **asked)[0].prompt_tokens


def test_nothing_of_a_prompt_is_kept_for_the_next_answer(open_server):
    assert {c.cached_tokens for c in complete(open_server(width=1), range(3))} == {0}


def test_overflow_is_decided_as_in_this_process(open_server, open_model):
    for n_words in (4, 5, 6, 7, 8, 9, 10):
        asked = {"text": "word " * n_words}
        settings = sampling(context_tokens=96, max_tokens=24)
        served, local = (complete(s, (1,), **asked)[0] for s in (open_server(settings), open_model(settings)))
        assert (served.stop_reason == "context_overflow") == (local.stop_reason == "context_overflow")
        assert served.prompt_tokens == local.prompt_tokens


def test_a_greedy_answer_is_the_one_of_the_engine_in_this_process(open_server, open_model):
    settings = sampling(temperature=0, max_tokens=8)
    assert texts(open_server(settings), (1,)) == texts(open_model(settings), (1,))


def test_a_constrained_answer_is_held_to_the_schema(open_server):
    session = open_server(sampling(max_tokens=200), output="json_schema")
    verdicts = [
        judge(c, builders.SCHEMA).outcome for c in complete(session, range(4)) if c.stop_reason == "stop"
    ]
    assert set(verdicts) <= {"valid"}


def test_several_answers_in_one_request_differ_and_say_their_seed(open_server):
    completions = complete(open_server(n_per_request=3), (5, 6, 7))
    assert [c.seed_sent for c in completions] == [5, 5, 5]
    assert len({c.text for c in completions}) == 3
    assert [c.completion_tokens for c in completions] == [None] * 3
    assert completions[0].text == texts(open_server(), (5,))[0]


def test_the_older_interface_gives_the_same_answer(open_server):
    older, chat = (complete(open_server(**o), (5,))[0] for o in ({"endpoint": "completions"}, {}))
    # random weights write bytes that are no text, and the two interfaces mark them differently
    assert older.text.replace("\ufffd", "") == chat.text.replace("\ufffd", "")
    assert (older.prompt_tokens, older.completion_tokens) == (chat.prompt_tokens, chat.completion_tokens)


def test_an_answer_that_ends_with_its_object_has_its_own_tokens(open_server):
    settings = sampling(max_tokens=200, stop_on_json=True)
    for completion in complete(open_server(settings, output="json_schema"), range(2)):
        assert completion.prompt_tokens
        assert completion.completion_tokens


def test_the_server_is_described(open_server):
    loaded = open_server().loaded
    (facts,) = loaded.details["servers"]
    assert facts["n_ctx"] == CONTEXT
    assert facts["ftype"] == "F16"
    assert len(facts["chat_template_digest"]) == 64
    assert loaded.engine.startswith("llama_server ")
    assert loaded.digest is None


def test_a_context_larger_than_the_servers_is_refused(open_server):
    with pytest.raises(UsageError, match="holds 512 tokens"):
        open_server(sampling(context_tokens=4096))


def test_servers_with_different_models_are_refused(open_server, llama_server, tmp_path):
    from tests.fixtures.tiny_gguf import make_tiny_gguf

    other = LlamaServer(make_tiny_gguf(tmp_path / "other.gguf", quant="q8_0"))
    try:
        with pytest.raises(ModelFileError, match="different models"):
            open_server(base_url=[llama_server.address, other.address])
    finally:
        other.kill()


def test_a_killed_server_fails_and_answers_again_when_it_is_back(tiny_model, open_server):
    server = LlamaServer(tiny_model)
    try:
        session = open_server(server=server, retries=0)
        before = texts(session, (1, 2))
        server.kill()
        assert all(c.error for c in complete(session, (1, 2)))
        server.start()
        assert texts(session, (1, 2)) == before
    finally:
        server.kill()


def test_a_model_that_is_not_served_is_named():
    with FakeOpenAi() as server:
        server.models = ("one", "two")
        spec = fake_server_spec("openai_api", server, ref="three")
        with pytest.raises(ModelFileError, match="serves no 'three' but one, two"):
            backends.get("openai_api").open(spec, sampling(), builders.SCHEMA, 1)


def test_a_wrong_key_is_told_before_the_run(monkeypatch):
    class Locked(FakeOpenAi):
        def respond(self, asked):
            return super().respond(asked)._replace(status=401)

    monkeypatch.setenv("KEY_OF_TEST", "s3cret")
    with Locked() as server:
        spec = fake_server_spec("openai_api", server, api_key_env="KEY_OF_TEST")
        with pytest.raises(BackendError, match="the key in KEY_OF_TEST") as caught:
            backends.get("openai_api").open(spec, sampling(), builders.SCHEMA, 1)
    assert "s3cret" not in str(caught.value)


def test_an_address_without_v1_gets_a_hint():
    with FakeOpenAi() as server:
        spec = fake_server_spec("openai_api", server, base_url=server.root)
        with pytest.raises(BackendError, match="end in /v1"):
            backends.get("openai_api").open(spec, sampling(), builders.SCHEMA, 1)


def test_a_plain_completion_is_rendered_by_the_given_template(tmp_path):
    path = tmp_path / "chat.jinja"
    path.write_text("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>")
    with FakeOpenAi() as server:
        spec = fake_server_spec("openai_api", server, endpoint="completions", chat_template=str(path))
        session = backends.get("openai_api").open(spec, sampling(), builders.SCHEMA, 1)
        assert texts(session, (3,)) == [server.text_of(3)]
        session.close()
        expected = "<system>Answer briefly.<user>Is this good news?<assistant>"
        assert server.answers_asked()[0]["prompt"] == expected


def test_the_run_goes_through_the_session_that_is_closed_only_once(open_server):
    session = open_server()
    session.close()
    with pytest.raises(BackendError, match="closed"):
        next(session.generate([Request(prompt(), (1,))]))


def test_it_shows_that_it_reads_a_prompt_as_the_engine_in_this_process(open_server, open_model):
    asked = prompt("Gewinn steigt um 4 % 🙂")
    settings = sampling(temperature=0.2, top_k=3, stop=["x"])
    for more in ({}, {"endpoint": "completions"}):
        served, local = open_server(settings, **more), open_model()
        assert served.rendered(asked) == local.rendered(asked)
        assert served.token_ids(asked) == local.token_ids(asked)
        assert served.stop_tokens() is None
        told, known = served.first_logprobs(asked, 5), local.first_logprobs(asked, 5)
        assert [(t.token, t.text) for t in told] == [(k.token, k.text) for k in known]
        assert [t.logprob for t in told] == pytest.approx([k.logprob for k in known], abs=0.01)
