"""A long-context model computes a text alike however much room the context has for others."""

import numpy as np
import pytest

pytest.importorskip("llama_cpp")
pytest.importorskip("torch", reason="the train extra is not installed")

from bench.backends.llama_cpp.engine import Engine, EngineSettings
from bench.backends.llama_cpp.rope import takes_long
from tests.training.gguf import families

ORIGINAL = 512
TOKENS = np.arange(260, 340, dtype=np.int32)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    from bench.training.gguf import write_gguf

    folder = tmp_path_factory.mktemp("longrope")
    return {
        family: write_gguf(
            families.make(family, folder / family), folder / f"{family}.gguf", family, "fp32"
        ).path
        for family in ("phi3-long", "llama3")
    }


def last_logits(model, context_tokens, n_cells):
    engine = Engine(model, "model", EngineSettings(context_tokens, 4, 1, 1, 512, 0, (), False))
    try:
        engine.make_room(n_cells)
        return engine.prefill([(TOKENS, 0, 0)])[0], engine.overrides
    finally:
        engine.close()


def test_room_for_other_texts_changes_nothing(models):
    alone, overrides = last_logits(models["phi3-long"], ORIGINAL, 256)
    among_others, _ = last_logits(models["phi3-long"], ORIGINAL, 4096)
    assert np.abs(alone - among_others).max() < 1e-4
    assert not takes_long(overrides)


def test_the_frequencies_follow_the_longest_text_of_the_run(models):
    short, _ = last_logits(models["phi3-long"], ORIGINAL, 256)
    long, overrides = last_logits(models["phi3-long"], ORIGINAL + 1, 256)
    assert np.abs(short - long).max() > 0.01
    assert takes_long(overrides)


def test_short_frequencies_are_those_of_transformers(models):
    import torch

    from bench.training.parity import reference_model

    found, _ = last_logits(models["phi3-long"], ORIGINAL, 4096)
    reference = reference_model(models["phi3-long"].parent / "phi3-long")
    with torch.no_grad():
        expected = reference(torch.tensor(TOKENS[None].astype(np.int64))).logits[0, -1].numpy()
    assert np.abs(expected - found).max() < 0.005


def test_other_models_are_loaded_as_they_are(models):
    assert last_logits(models["llama3"], 100_000, 256)[1] == {}
