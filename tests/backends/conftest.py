"""A tiny random model, made once, and sessions on it that are always closed."""

import pytest

from bench import backends
from tests.backends.asking import llama_spec, sampling
from tests.builders import SCHEMA
from tests.fixtures.llama_server import LlamaServer
from tests.fixtures.tiny_gguf import make_tiny_gguf


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The path of a random fp16 model; not to be written to."""
    pytest.importorskip("llama_cpp")
    return make_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny-fp16.gguf")


@pytest.fixture(scope="session")
def llama_server(tiny_model):
    """llama.cpp's own server with that model; not to be killed."""
    pytest.importorskip("xllamacpp")
    server = LlamaServer(tiny_model)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def tiny_hf(tmp_path_factory):
    """The folder of a random transformers model; not to be written to."""
    pytest.importorskip("transformers")
    from tests.fixtures.tiny_hf import make_tiny_hf, make_tokenizer

    return make_tiny_hf(tmp_path_factory.mktemp("models") / "tiny-hf", make_tokenizer())


@pytest.fixture
def open_model(tiny_model):
    """Open an arm of the tiny model: `open_model(spec fields..., sampling=Sampling)`."""
    sessions = []

    def opened(settings=None, schema=SCHEMA, path=tiny_model, width=1, **fields):
        session = backends.get("llama_cpp").open(
            llama_spec(path, **fields), settings or sampling(), schema, width
        )
        sessions.append(session)
        return session

    yield opened
    for session in sessions:
        session.close()
