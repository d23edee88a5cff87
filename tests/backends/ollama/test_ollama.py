"""An Ollama arm: what is looked at before, what is sent, what is read."""

import subprocess
import sys

import pytest

from bench import backends
from bench.backends import Request
from bench.errors import BackendError, ConfigError, MissingExtraError, ModelFileError, UsageError
from tests import builders
from tests.backends.asking import complete, fake_server_spec, prompt, sampling, texts
from tests.backends.loopback import FakeOllama


@pytest.fixture
def server():
    """Ollama's published API on loopback."""
    with FakeOllama() as running:
        yield running


@pytest.fixture
def open_session(server):
    """Open an arm there."""
    sessions = []

    def opened(settings=None, output="free", ref="tiny", **options):
        spec = fake_server_spec("ollama", server, ref=ref, output=output, **options)
        settings = settings or sampling(context_tokens=4096)
        sessions.append(backends.get("ollama").open(spec, settings, builders.SCHEMA, 2))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


def test_every_sampling_value_is_sent_and_nothing_is_left_to_ollama(server, open_session):
    settings = sampling(context_tokens=4096, top_k=7, min_p=0.1, repeat_penalty=1.2, stop=["X"])
    complete(open_session(settings, num_thread=3), (11,))
    (body,) = server.answers_asked()
    assert body["options"] == {
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 7,
        "min_p": 0.1,
        "typical_p": 1.0,
        "repeat_penalty": 1.2,
        "repeat_last_n": 64,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "num_predict": 24,
        "num_ctx": 4096,
        "stop": ["X"],
        "num_thread": 3,
        "seed": 11,
    }
    assert (body["truncate"], body["shift"], body["keep_alive"], body["stream"]) == (
        False,
        False,
        "30m",
        False,
    )
    assert "think" not in body
    assert "format" not in body


def test_a_model_that_can_think_is_told_not_to(server, open_session):
    server.models["tiny:latest"]["capabilities"] = ["completion", "thinking"]
    complete(open_session(), (1,))
    assert server.answers_asked()[0]["think"] is False


def test_a_schema_is_sent_as_the_format(server, open_session):
    complete(open_session(output="json_schema"), (1,))
    assert server.answers_asked()[0]["format"]["required"] == ["reasoning", "sentiment", "confidence"]


def test_the_models_own_stop_texts_are_kept(server, open_session):
    server.models["tiny:latest"]["parameters"] = 'stop    "<|im_end|>"\nstop    "<|eot|>"\ntemperature    0.7'
    complete(open_session(sampling(context_tokens=4096, stop=["X"])), (1,))
    assert server.answers_asked()[0]["options"]["stop"] == ["X", "<|im_end|>", "<|eot|>"]


def test_ollamas_own_durations_are_seconds_here(server, open_session):
    (completion,) = complete(open_session(), (1,))
    assert (completion.load_s, completion.duration_s) == (1.0, 4.0)
    assert completion.cached_tokens is None


def test_the_model_is_described_with_its_digest(server, open_session):
    session = open_session()
    loaded = session.loaded
    assert (
        loaded.digest
        == "sha256:" + "ab" * 32
        == backends.get("ollama").digest(fake_server_spec("ollama", server))
    )
    assert (loaded.engine, loaded.file_bytes, loaded.load_s) == ("ollama 0.33.0", 2646016, 1.0)
    (facts,) = loaded.details["servers"]
    assert facts["quantization_level"] == "F16"
    assert (facts["trained_context_tokens"], facts["loaded_context_tokens"]) == (131072, 4096)
    assert len(facts["template_digest"]) == 64
    assert "cached_tokens is unknown" in loaded.details["warnings"][0]


def test_the_model_is_loaded_with_the_context_that_will_be_used(server, open_session):
    open_session()
    first = next(asked.body for asked in server.asked if asked.path == "/api/chat")
    assert (first["options"]["num_ctx"], first["options"]["num_predict"]) == (4096, 1)


def test_a_model_that_is_not_there_says_how_to_get_it(server, open_session):
    with pytest.raises(ModelFileError, match="ollama pull llama9"):
        open_session(ref="llama9")


def test_a_server_that_would_cut_prompts_is_refused(server, open_session):
    server.version = "0.9.1"
    with pytest.raises(UsageError, match=r"update it to 0\.12\.6"):
        open_session()
    server.version = "0.0.0"
    open_session()


def test_a_modelfile_that_adds_messages_is_refused(server, open_session):
    server.models["tiny:latest"]["modelfile"] = "FROM x\nMESSAGE user Hello\n"
    with pytest.raises(UsageError, match="MESSAGE"):
        open_session()
    server.models["tiny:latest"]["modelfile"] = (
        'FROM x\nTEMPLATE """a\nMESSAGE user Hello\n"""\nSYSTEM "Be good."\n'
    )
    assert any("SYSTEM" in warning for warning in open_session().loaded.details["warnings"])


def test_a_model_trained_for_less_context_is_refused(server, open_session):
    server.models["tiny:latest"]["trained"] = 2048
    with pytest.raises(UsageError, match="trained for 2048"):
        open_session()


def test_a_server_that_loads_less_context_is_refused(server, open_session):
    server.loaded = dict.fromkeys(["tiny:latest"], 64)
    server._chat = lambda body: FakeOllama._chat(
        server, {**body, "options": {**body["options"], "num_ctx": 64}}
    )
    with pytest.raises(UsageError, match="with 64 tokens"):
        open_session(sampling(context_tokens=128))


def test_servers_with_different_models_are_refused(server, open_session):
    with FakeOllama() as other:
        other.models["tiny:latest"]["digest"] = "ef" * 32
        with pytest.raises(ModelFileError, match="different models"):
            open_session(host=[server.address, other.address])


def test_a_server_that_is_no_ollama_is_told(open_session):
    class Other(FakeOllama):
        def reply(self, path, body):
            return super().reply("/api/version", body)

    with Other() as other, pytest.raises(BackendError, match="as Ollama does"):
        open_session(host=other.address)


def test_the_server_is_found_by_the_environment(server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", f"0.0.0.0:{server.port}/")
    spec = fake_server_spec("ollama", server)
    spec = spec.model_copy(update={"options": {}})
    session = backends.get("ollama").open(spec, sampling(context_tokens=4096), builders.SCHEMA, 1)
    assert texts(session, (5,)) == [server.text_of(5)]
    session.close()


def test_the_state_tells_version_and_server(server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", server.address)
    state = backends.get("ollama").state()
    assert (state.installed, state.reachable, state.remedy) == (True, True, None)
    assert "is Ollama 0.33.0" in str(state.version)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    state = backends.get("ollama").state()
    assert (state.installed, state.reachable, state.remedy) == (True, False, "ollama serve")


def test_a_missing_client_names_the_extra(server, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "bench\[servers\]"'):
        backends.get("ollama").check(fake_server_spec("ollama", server), sampling())


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"keep_alive": "soon"}, "keep_alive"), ({"host": []}, "host"), ({"host": ["a", "a:11434"]}, "twice")],
)
def test_options_that_cannot_be_are_refused(server, options, expected):
    with pytest.raises(ConfigError, match=expected):
        backends.get("ollama").check(fake_server_spec("ollama", server, **options), sampling())


def test_an_adapter_is_refused(server):
    with pytest.raises(UsageError, match="adapter"):
        backends.get("ollama").check(fake_server_spec("ollama", server, adapter="x"), sampling())


def test_importing_the_backend_loads_no_client():
    code = (
        "import sys, bench.backends.ollama, bench.backends.openai_api\n"
        "print(sorted({'ollama', 'httpx2', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_error_in_the_middle_of_a_stream_is_a_failure(server, open_session):
    session = open_session(stream=True, retries=0)
    server.text_of = lambda seed: "one two"
    original = server.reply

    def failing(path, body):
        reply = original(path, body)
        return reply._replace(pieces=(reply.pieces[0], b'{"error": "out of memory"}\n'))

    server.reply = failing
    (completion,) = complete(session, (1,))
    assert "out of memory" in str(completion.error)


def test_an_answer_of_nothing_has_no_counted_tokens(server, open_session):
    server.text_of = lambda seed: ""
    (completion,) = complete(open_session(), (1,))
    assert (completion.text, completion.completion_tokens, completion.stop_reason) == ("", None, "stop")


def test_latency_mode_streams_and_asks_one_at_a_time(server, open_session):
    (answer,) = open_session().generate([Request(prompt(), (1,))], reuse=False)
    assert answer.completion.ttft_s is not None
    assert server.answers_asked()[0]["stream"] is True
