"""A GGUF becomes a model in Ollama whose prompts are the file's own."""

import pytest

from bench.backends.ollama.host import default_address
from bench.backends.ollama.library import Library
from bench.backends.ollama.making import create, recipe
from bench.backends.ollama.modelfile import chat_format
from bench.chat_template import PROBE, ChatTemplate
from bench.errors import BackendError, ModelFileError
from tests.backends.loopback import FakeOllama
from tests.fixtures.tiny_gguf import TEMPLATE, make_tiny_gguf

LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
ZEPHYR = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def jinja(source: str) -> ChatTemplate:
    template = ChatTemplate(source, "", "</s>", ())
    template.try_out()
    return template


@pytest.mark.parametrize("source", [TEMPLATE, LLAMA3, ZEPHYR])
def test_the_format_is_read_off_what_the_template_writes(source):
    template = jinja(source)
    found = chat_format(template, "x")
    assert found.render(PROBE) == template.render(PROBE)
    only_user = PROBE[1:2]
    assert found.render(only_user) == template.render(only_user)


def test_the_go_template_says_the_same():
    found = chat_format(jinja(TEMPLATE), "x")
    assert found.go_template() == (
        '{{ range .Messages }}{{ if eq .Role "system" }}{{ "<|im_start|>system\\n" }}{{ .Content }}'
        '{{ "<|im_end|>\\n" }}{{ else if eq .Role "user" }}{{ "<|im_start|>user\\n" }}{{ .Content }}'
        '{{ "<|im_end|>\\n<|im_start|>assistant\\n" }}'
        '{{ else if eq .Role "assistant" }}{{ .Content }}{{ "<|im_end|>\\n" }}{{ end }}{{ end }}'
    )


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "<{{ m.content }}>{% endfor %}",
        "{{ strftime_now('%d') }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ loop.index }}<{{ m.role }}>{{ m.content }}{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{{ m.content | upper }}{% endfor %}",
    ],
)
def test_a_template_that_is_more_than_that_is_refused(source):
    with pytest.raises(ModelFileError, match="chat template"):
        chat_format(jinja(source), "x")


@pytest.fixture
def server():
    """A server that renders as our template says."""
    with FakeOllama() as running:
        template = jinja(TEMPLATE)
        running.renders = template.render
        yield running


def test_a_model_is_made_of_a_file_and_its_prompt_is_checked(server, tiny_model):
    told: list[str] = []
    create("mine", recipe(tiny_model), server.address, told.append)
    assert server.models["mine:latest"]["template"] == chat_format(jinja(TEMPLATE), "x").go_template()
    assert list(server.blobs.values()) == [tiny_model.stat().st_size]
    assert told[-1] == "its prompts are rendered as the file's own template does"


def test_a_prompt_that_is_rendered_otherwise_is_told_with_the_place(server, tiny_model):
    server.renders = lambda turns: jinja(TEMPLATE).render(turns).replace("system\n", "system ")
    with pytest.raises(ModelFileError, match=r"at character 18 it writes ' Answer"):
        create("mine", recipe(tiny_model), server.address, lambda step: None)


def test_a_server_that_renders_nothing_is_noted(server, tiny_model):
    server.shows_prompts = False
    told: list[str] = []
    create("mine", recipe(tiny_model), server.address, told.append)
    assert "not checked" in told[-1]


def test_a_file_without_a_template_is_refused(tmp_path):
    path = make_tiny_gguf(tmp_path / "bare.gguf", template=None)
    with pytest.raises(ModelFileError, match="no chat template"):
        recipe(path)


def test_a_modelfile_of_ours_says_the_same(tiny_model):
    text = recipe(tiny_model).modelfile
    assert text.startswith(f'FROM {tiny_model}\nTEMPLATE """{{{{ range .Messages }}}}')


def test_without_a_server_it_is_one_line(tiny_model):
    with pytest.raises(BackendError, match="start it: ollama serve"):
        create("mine", recipe(tiny_model), "http://127.0.0.1:9", lambda step: None)


def test_a_model_is_pulled_step_by_step(server):
    told: list[str] = []
    Library(server.address).pull("llama9", told.append)
    assert told == ["pulling manifest", "verifying sha256 digest", "success"]
    assert Library(server.address).tag("llama9").digest == "sha256:" + "cd" * 32


def test_a_model_that_no_registry_has_is_told(server):
    with pytest.raises((BackendError, ModelFileError), match="file does not exist"):
        Library(server.address).pull("missing", lambda step: None)


def test_the_real_server_renders_our_template_alike(tiny_model, monkeypatch):
    import os

    from bench import backends

    if "OLLAMA_HOST" not in os.environ or not backends.get("ollama").state().reachable:
        pytest.skip("no Ollama answers at OLLAMA_HOST")
    told: list[str] = []
    create("bench-test-tiny", recipe(tiny_model), default_address(), told.append)
    assert told[-1] == "its prompts are rendered as the file's own template does"
