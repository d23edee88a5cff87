"""The chain of samplers that draws an answer's tokens, with every setting said outright.

In: the run's sampling, one seed, the prompt's last tokens. Out: a native sampler chain, to be freed.
A setting at its neutral value leaves its sampler out; the engine's own defaults decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.backends.llama_cpp.native import library
from bench.errors import ModelFileError
from bench.records import Sampling

PENALTY_WINDOW_TOKENS = 64
"""How far back penalties look, prompt included; the engine's and Ollama's default."""
_MAX_SEED = 2**32 - 1  # the engine reads this one as "any seed"


class SamplerChain:
    """One answer's samplers. Each answer gets its own, so that nothing is carried over."""

    def __init__(
        self,
        sampling: Sampling,
        seed: int,
        prompt_tokens: Sequence[int],
        vocab: Any,
        n_vocabulary: int,
        grammar: str | None = None,
    ) -> None:
        self._lib = library()
        self._vocab = vocab
        self._n_vocabulary = n_vocabulary
        self._chain = self._lib.llama_sampler_chain_init(self._lib.llama_sampler_chain_default_params())
        try:
            for sampler in self._samplers(sampling, seed, prompt_tokens, grammar):
                self._lib.llama_sampler_chain_add(self._chain, sampler)
        except BaseException:
            self.close()
            raise

    def _samplers(
        self, sampling: Sampling, seed: int, prompt_tokens: Sequence[int], grammar: str | None
    ) -> Any:
        lib = self._lib
        if grammar is not None:
            constraint = lib.llama_sampler_init_grammar(self._vocab, grammar.encode("utf-8"), b"root")
            if not constraint:
                raise ModelFileError("the engine refuses the grammar of the answer's schema")
            yield constraint
        neutral = (1.0, 0.0, 0.0)
        penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
        if penalties != neutral:
            yield self._penalties(penalties, prompt_tokens)
        if sampling.temperature == 0:
            yield lib.llama_sampler_init_greedy()
            return
        if sampling.top_k > 0:
            yield lib.llama_sampler_init_top_k(sampling.top_k)
        if sampling.top_p < 1:
            yield lib.llama_sampler_init_top_p(sampling.top_p, 1)
        if sampling.min_p > 0:
            yield lib.llama_sampler_init_min_p(sampling.min_p, 1)
        yield lib.llama_sampler_init_temp(sampling.temperature)
        yield lib.llama_sampler_init_dist(seed % _MAX_SEED)

    def _penalties(self, penalties: tuple[float, float, float], prompt_tokens: Sequence[int]) -> Any:
        sampler = self._lib.llama_sampler_init_penalties(
            self._n_vocabulary, PENALTY_WINDOW_TOKENS, *penalties
        )
        for token in prompt_tokens[-PENALTY_WINDOW_TOKENS:]:
            self._lib.llama_sampler_accept(sampler, token)
        return sampler

    def draw(self, context: Any) -> int:
        """One token from the logits of the last decode; the samplers remember it."""
        return int(self._lib.llama_sampler_sample(self._chain, context, -1))

    def close(self) -> None:
        """Free the chain and what is in it. Closing twice does nothing."""
        if self._chain is not None:
            self._lib.llama_sampler_free(self._chain)
            self._chain = None
