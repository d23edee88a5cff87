"""How many answers fit into memory together."""

import numpy as np
import psutil
import pytest

from bench import backends
from bench.backends.llama_cpp import capacity
from bench.backends.llama_cpp.engine import Engine, EngineSettings
from tests.backends.asking import llama_spec, prompt, sampling

PROMPTS = [np.arange(40 + 5 * i, dtype=np.int32) for i in range(6)]


@pytest.mark.parametrize("n_free", [200, 400, 1000, 3000])
def test_the_widest_fits_and_one_more_does_not(n_free):
    width = capacity.widest(PROMPTS, 3, 24, n_free)
    assert capacity.cells(PROMPTS, 3, width, 24) <= n_free < capacity.cells(PROMPTS, 3, width + 1, 24)


def test_nothing_fits_into_nothing():
    assert capacity.widest(PROMPTS, 3, 24, 10) == 0


def test_what_is_said_to_fit_covers_what_the_engine_takes(tiny_model):
    """Memory of a large context against the estimate, both beyond a small one's."""
    few, many = 1024, 65_536
    settings = EngineSettings(512, 18, 1, 1, 512, 0, (), False)
    engine = Engine(tiny_model, "model", settings)
    try:
        engine.make_room(few)
        before = psutil.Process().memory_info().rss
        engine.make_room(many)
        # the memory is there once it was written to: a prompt of the engine's largest batch does it
        engine.prefill([(np.full(many - 512, 65, np.int32)[:512], 0, 0)])
        taken = psutil.Process().memory_info().rss - before
    finally:
        engine.close()
    per_cell = capacity.cell_bytes(2 * 2 * 2 * 64, 4, 512, flash_attn=False)
    assert taken < (many - few) * per_cell + 20_000_000


@pytest.mark.parametrize(("available_mib", "fits"), [(100_000, True), (530, False)])
def test_a_width_is_held_against_the_memory_there_is(tiny_model, monkeypatch, available_mib, fits):
    monkeypatch.setattr(capacity, "available_bytes", lambda: available_mib * 2**20)
    limit = backends.get("llama_cpp").widest(llama_spec(tiny_model), sampling(), [prompt()], 15)
    assert limit is not None
    assert (limit == 254) is fits


def test_flash_attention_needs_less():
    assert capacity.cell_bytes(512, 32, 512, flash_attn=True) < capacity.cell_bytes(
        512, 32, 512, flash_attn=False
    )
