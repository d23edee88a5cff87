"""How Ollama reads a prompt, told by its API: the same as the engine reads the same file."""

import pytest

from bench import backends
from bench.backends import Inspectable
from bench.backends._server.session import ServerSession
from bench.backends.ollama.inspection import told_vocabulary
from bench.errors import BackendError
from tests import builders
from tests.backends.asking import fake_server_spec, prompt, sampling
from tests.backends.loopback import FakeOllama
from tests.fixtures.ollama_engine import OllamaOnEngine

ASKED = prompt("Gewinn steigt um 4 % 🙂")


@pytest.fixture
def server(tiny_model):
    """Ollama's API in front of the tiny model."""
    with OllamaOnEngine(tiny_model) as running:
        yield running


def opened(server) -> ServerSession:
    """An arm there."""
    spec = fake_server_spec("ollama", server)
    session = backends.get("ollama").open(spec, sampling(), builders.SCHEMA, 1)
    assert isinstance(session, Inspectable)
    assert isinstance(session, ServerSession)
    return session


@pytest.fixture
def inspected(server):
    """The same, closed at the end."""
    session = opened(server)
    yield session
    session.close()


def test_it_tells_the_text_the_tokens_and_the_probabilities_of_the_engine(inspected, open_model):
    local = open_model()
    assert inspected.rendered(ASKED) == local.rendered(ASKED)
    assert inspected.token_ids(ASKED) == local.token_ids(ASKED)
    told, known = inspected.first_logprobs(ASKED, 5), local.first_logprobs(ASKED, 5)
    assert [(t.token, t.text) for t in told] == [(None, k.text) for k in known]
    assert [t.logprob for t in told] == pytest.approx([k.logprob for k in known])


def test_the_stop_tokens_are_those_its_file_and_modelfile_name(server, inspected, open_model):
    told, known = inspected.stop_tokens(), open_model().stop_tokens()
    assert not told.is_whole
    assert told.texts
    assert told.texts.items() <= known.texts.items()


def test_a_token_that_is_read_twice_at_the_beginning_is_told(server, inspected):
    tokens = inspected.token_ids(ASKED)
    server.n_extra_bos = 1
    other = opened(server)
    told = other.token_ids(ASKED)
    other.close()
    bos = server._engine.vocabulary.bos
    assert told == ((bos, *tokens) if bos >= 0 else None)


def test_what_an_older_server_does_not_tell_is_absent(server, inspected):
    server.tells_context = False
    assert inspected.token_ids(ASKED) is None
    with FakeOllama() as older:
        older.shows_prompts = False
        session = opened(older)
        assert session.rendered(ASKED) is None
        assert session.token_ids(ASKED) is None
        assert session.stop_tokens() is None
        assert session.first_logprobs(ASKED, 5) is None
        session.close()


def test_a_server_that_is_lost_is_one_line(server, inspected):
    server.stop()
    with pytest.raises(BackendError, match=server.address) as caught:
        inspected.rendered(ASKED)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "info", [None, 7, {"tokenizer.ggml.tokens": [1, 2]}, {"tokenizer.ggml.bos_token_id": "x"}]
)
def test_a_vocabulary_that_is_none_is_absent(info):
    assert told_vocabulary(info) == ((), None, ())
