"""Sampling settings mean what they mean in the engine of the llama_cpp backend, number by number."""

import ctypes
from typing import cast

import numpy as np
import pytest
import torch

from bench.backends.hf.draw import gumbel
from bench.backends.hf.sampler import Sampler
from bench.backends.hf.shaping import penalized, penalizes, shaped
from tests.backends.asking import sampling

N_VOCABULARY = 200
LOGITS = np.random.default_rng(0).normal(0, 3, N_VOCABULARY).astype(np.float32)
PROMPT = np.random.default_rng(1).integers(0, 60, 100).astype(np.int32)


class Sized:
    """As much of a vocabulary as a chain of samplers without a grammar looks at."""

    n_tokens = N_VOCABULARY


def engine_probabilities(settings) -> dict[int, float]:
    """What the engine's own chain leaves of LOGITS, the final draw left out."""
    pytest.importorskip("llama_cpp")
    from bench.backends.llama_cpp.native import library
    from bench.backends.llama_cpp.sampler import _CANDIDATE, _samplers
    from bench.backends.llama_cpp.vocabulary import Vocabulary

    lib = library()
    candidates = np.zeros(N_VOCABULARY, _CANDIDATE)
    candidates["id"], candidates["logit"] = np.arange(N_VOCABULARY), LOGITS
    pointer = candidates.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
    array = lib.llama_token_data_array(data=pointer, size=N_VOCABULARY, selected=-1, sorted=False)
    *chain, last = _samplers(settings, 1, PROMPT, cast(Vocabulary, Sized()), None)
    for sampler in chain:
        lib.llama_sampler_apply(sampler, ctypes.byref(array))
    for sampler in (*chain, last):
        lib.llama_sampler_free(sampler)
    left = candidates[: array.size]
    weights = np.exp(left["logit"].astype(np.float64) - left["logit"].max())
    return dict(zip(left["id"].tolist(), (weights / weights.sum()).tolist(), strict=True))


def own_probabilities(settings) -> dict[int, float]:
    logits = torch.from_numpy(LOGITS)[None]
    if penalizes(settings):
        logits = penalized(logits, [PROMPT.tolist()], settings)
    found = shaped(logits, settings).to(torch.float64).softmax(dim=1)[0]
    return {token: float(p) for token, p in enumerate(found) if p > 0}


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.7},
        {"top_k": 10},
        {"top_k": 1},
        {"top_k": 10_000},
        {"top_p": 0.8},
        {"top_p": 0.01},
        {"min_p": 0.1},
        {"repeat_penalty": 1.3},
        {"repeat_penalty": 0.8},
        {"presence_penalty": 0.7},
        {"frequency_penalty": 0.4},
        {"presence_penalty": -1, "frequency_penalty": -0.5},
        {"temperature": 0.3, "top_k": 40, "top_p": 0.9, "min_p": 0.05, "repeat_penalty": 1.1,
         "presence_penalty": 0.2, "frequency_penalty": 0.1},
    ],
    ids=str,
)  # fmt: skip
def test_what_may_be_drawn_is_what_the_engine_would_draw(fields):
    settings = sampling(**fields)
    assert own_probabilities(settings) == pytest.approx(engine_probabilities(settings), rel=1e-4, abs=1e-12)


def test_tokens_are_drawn_as_often_as_their_probability_says():
    settings = sampling(temperature=1.5, top_k=6)
    expected, n = own_probabilities(settings), 40_000
    sampler = Sampler(settings)
    counts = dict.fromkeys(expected, 0)
    for start in range(0, n, 500):
        for row in range(500):
            sampler.enter(row, start + row, ())
        drawn = sampler.draw(torch.from_numpy(LOGITS).expand(500, -1), range(500))
        for token in drawn:
            counts[token] += 1
    chi2 = sum((counts[t] - n * p) ** 2 / (n * p) for t, p in expected.items())
    assert chi2 < 20.5  # the 0.1 % quantile of 5 degrees of freedom


def test_a_row_draws_anew_at_every_place():
    sampler = Sampler(sampling(temperature=2.0))
    sampler.enter(0, 7, ())
    assert len({sampler.draw(torch.from_numpy(LOGITS)[None], [0])[0] for _ in range(60)}) > 20


def test_noise_follows_from_seed_place_and_token_alone():
    seeds, places = torch.tensor([3, 5, 3]), torch.tensor([0, 2, 0])
    noise = gumbel(seeds, places, 50)
    assert torch.equal(noise[0], noise[2])
    assert torch.equal(noise[1:2], gumbel(seeds[1:2], places[1:2], 50))
    assert torch.equal(noise[:, :20], gumbel(seeds, places, 20))


def test_noise_is_gumbel_and_rows_do_not_correlate():
    seeds, places = torch.arange(64), torch.arange(64) // 8
    noise = gumbel(seeds, places, 4000)
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.var()) == pytest.approx(np.pi**2 / 6, abs=0.02)
    correlation = torch.corrcoef(noise) - torch.eye(64)
    assert float(correlation.abs().max()) < 0.09
