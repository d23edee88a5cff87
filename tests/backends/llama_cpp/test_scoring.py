"""What a model expects at every position of a text that is there: the same as when it decodes it."""

import numpy as np
import pytest

from bench.backends.llama_cpp.engine import Engine, EngineSettings
from bench.backends.llama_cpp.schedule import FIRST_ROW
from bench.backends.llama_cpp.scoring import scored
from tests.fixtures.tiny_gguf import make_tiny_gguf

N_COMMON = 20
RNG = np.random.default_rng(3)
COMMON = RNG.integers(0, 256, N_COMMON)
TEXTS = [
    (
        np.concatenate([COMMON, RNG.integers(0, 256, 30 + 50 * i)]).astype(np.int32),
        RNG.integers(0, 256, 9).astype(np.int32),
    )
    for i in range(3)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("llama_cpp")
    return make_tiny_gguf(tmp_path_factory.mktemp("fp32") / "tiny-fp32.gguf", quant="fp32")


@pytest.fixture(params=[7, 512])
def engine(model, request):
    made = Engine(model, "model", EngineSettings(512, 1 + FIRST_ROW, 1, 1, request.param, 0, (), False))
    yield made
    made.close()


def test_every_position_after_the_common_beginning_is_scored_once(engine):
    followed: dict[int, list[int]] = {0: [], 1: [], 2: []}
    answered: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for piece in scored(engine, TEXTS):
        followed[piece.text] += piece.following.tolist()
        answered[piece.text] += piece.following[piece.in_answer].tolist()
    for i, (prompt, answer) in enumerate(TEXTS):
        assert followed[i] == [*prompt[N_COMMON + 1 :].tolist(), *answer.tolist()]
        assert answered[i] == answer.tolist()


def test_logits_are_those_of_decoding_token_by_token(engine):
    found = [np.concatenate([p.logits.copy() for p in scored(engine, TEXTS[:1])])]
    prompt, answer = TEXTS[0]
    whole = np.concatenate([prompt, answer])
    engine.make_room(512)
    n_prefix = len(prompt) - 1  # alone, all of a prompt but its last token is in common with the others
    engine.prefill([(whole[:n_prefix], 0, 0)])
    alone = [engine.prefill([(whole[i : i + 1], i, 0)]) for i in range(n_prefix, len(whole) - 1)]
    assert np.abs(np.concatenate(alone) - found[0]).max() < 0.005
