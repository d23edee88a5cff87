"""A tiny random model, made once, and sessions on it that are always closed."""

import os

import pytest

from bench import backends
from bench.backends.ollama.host import default_address
from bench.backends.ollama.making import create, recipe
from bench.records import ModelSpec
from tests.backends.asking import fake_server_spec, llama_spec, sampling
from tests.backends.loopback import FakeOllama
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
def fake_ollama():
    """Ollama's published API on loopback, with long answers that differ by seed."""
    with FakeOllama(lambda seed: " ".join(f"word{seed * i % 101}" for i in range(30))) as server:
        yield server


@pytest.fixture
def ollama_arm(request):
    """An arm with the tiny model on the real server, where one answers at OLLAMA_HOST; else on the fake."""
    state = backends.get("ollama").state()
    if "OLLAMA_HOST" not in os.environ or not state.reachable:
        return fake_server_spec("ollama", request.getfixturevalue("fake_ollama"))
    made = recipe(request.getfixturevalue("tiny_model"))
    create("bench-test-tiny", made, default_address(), lambda step: None)
    given = {"family": "tiny", "variant": "base", "quant": "fp16", "backend": "ollama"}
    return ModelSpec.model_validate({**given, "ref": "bench-test-tiny"})


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
