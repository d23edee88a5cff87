"""How a task looks to a model: tokens are the engine's own, and prompts that are alike are refused."""

import pytest

from bench import backends, task_view, tasks
from bench.backends import CountsTokens
from bench.errors import UsageError
from bench.records import ModelSpec, Sampling
from tests.fixtures.tiny_gguf import make_tiny_gguf
from tests.fixtures.tiny_hf import make_tiny_hf, make_tokenizer

SARCASM = tasks.load("sarcasm")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "llama_cpp": make_tiny_gguf(folder / "tiny.gguf", context=4096),
        "hf": make_tiny_hf(folder / "tiny-hf", make_tokenizer()),
    }


@pytest.mark.parametrize(("backend", "quant"), [("llama_cpp", "fp16"), ("hf", "fp32")])
def test_the_tokens_shown_are_those_that_an_arm_is_measured_with(backend, quant, models):
    shown = task_view.view(SARCASM, "few_shot", model=str(models[backend]))
    spec = ModelSpec(family="tiny", variant="base", quant=quant, backend=backend, ref=str(models[backend]))
    settings = Sampling(max_tokens=4, context_tokens=4096)
    session = backends.get(backend).open(spec, settings, SARCASM.answer, 1)
    try:
        for style in task_view.STYLES:
            prompt = SARCASM.render(SARCASM.articles()[0], style)
            (answer,) = session.generate([backends.Request(prompt, (0,))])
            assert shown.sizes[style].n_tokens == answer.completion.prompt_tokens
    finally:
        session.close()


def test_only_backends_that_read_a_tokenizer_count_tokens():
    assert isinstance(backends.get("llama_cpp"), CountsTokens)
    assert not isinstance(backends.get("fake"), CountsTokens)


def test_two_items_that_are_asked_about_in_the_same_words_are_refused():
    first = tasks.Item(text="Sure.\n\nYes.", label="sincere", parts={"parent": "a"})
    second = tasks.Item(text="Yes.", title="Sure.", label="sincere", parts={"parent": "a"})
    twice = SARCASM.model_copy(update={"items": (first, second)})
    with pytest.raises(UsageError, match="are asked about in the same words"):
        task_view.check(twice)
