"""How the rows of a batch get their next tokens, with every setting said outright.

In: the run's sampling, a seed per row, logits of rows. Out: one token per row. Where only a temperature
shapes the choice (the default), all rows are drawn at once in numpy; else each row has its own chain
of the engine's samplers. Which of the two it is follows from the settings alone, never from the
width. A setting at its neutral value leaves its sampler out; the engine's own defaults decide nothing.
"""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bench.backends.llama_cpp.batch import Tokens
from bench.backends.llama_cpp.draw import Drawer, Logits, mixed, uniforms
from bench.backends.llama_cpp.native import library
from bench.backends.llama_cpp.vocabulary import Vocabulary
from bench.errors import ModelFileError
from bench.records import Sampling

PENALTY_WINDOW_TOKENS = 64
"""How far back penalties look, prompt included; the engine's and Ollama's default."""
_MAX_SEED = 2**32 - 1  # the engine reads this one as "any seed"
_SECOND_TRY = np.uint64(2**40)  # the numbers for a second try are another part of the row's stream

Ints = npt.NDArray[np.int64]


class RowSampler(Protocol):
    """Draws for rows that come and go."""

    def enter(self, row: int, seed: int, prompt: Tokens) -> None:
        """An answer begins in this row."""

    def draw(self, logits: Logits, rows: Ints) -> Ints:
        """One token for each of `rows`, from the same line of `logits`."""

    def leave(self, row: int) -> None:
        """The row's answer is over."""


def row_sampler(sampling: Sampling, vocabulary: Vocabulary, n_rows: int, grammar: str | None) -> RowSampler:
    """The sampler for these settings; ModelFileError where the engine cannot use the grammar."""
    if grammar is not None:
        new_grammar(vocabulary, grammar).close()
    if _only_temperature(sampling):
        return NumpySampler(sampling.temperature, vocabulary, n_rows, grammar)
    return ChainSampler(sampling, vocabulary, grammar)


def _only_temperature(sampling: Sampling) -> bool:
    return _penalties(sampling) is None and (
        sampling.temperature == 0 or (sampling.top_k == 0 and sampling.top_p == 1 and sampling.min_p == 0)
    )


def _penalties(sampling: Sampling) -> tuple[float, float, float] | None:
    found = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
    return None if found == (1.0, 0.0, 0.0) else found


class NumpySampler:
    """All rows at once. A grammar is asked whether it takes what was drawn, and for a mask if not.

    Drawing again among the allowed tokens after a refusal gives each of them its probability given
    that it is allowed: exactly what masking first would give, at a fraction of the price.
    """

    def __init__(
        self, temperature: float, vocabulary: Vocabulary, n_rows: int, grammar: str | None = None
    ) -> None:
        self._drawer = Drawer(temperature, vocabulary.n_tokens)
        self._vocabulary = vocabulary
        self._grammar = grammar
        self._keys = np.zeros(n_rows, np.uint64)
        self._n_drawn = np.zeros(n_rows, np.uint64)
        self._grammars: dict[int, NativeSampler] = {}

    def enter(self, row: int, seed: int, prompt: Tokens) -> None:
        """An answer begins in this row."""
        self._keys[row] = mixed(np.array([seed], np.uint64))[0]
        self._n_drawn[row] = 0
        if self._grammar is not None:
            self.leave(row)
            self._grammars[row] = new_grammar(self._vocabulary, self._grammar)

    def draw(self, logits: Logits, rows: Ints) -> Ints:
        """One token for each of `rows`."""
        drawn = self._n_drawn[rows]
        tokens = self._drawer.draw(logits, uniforms(self._keys[rows], drawn))
        self._n_drawn[rows] = drawn + np.uint64(1)
        if self._grammar is not None:
            for place, row in enumerate(rows.tolist()):
                tokens[place] = self._allowed(row, int(tokens[place]), logits[place], drawn[place])
        return tokens

    def _allowed(self, row: int, token: int, logits: Logits, n_drawn: np.uint64) -> int:
        grammar = self._grammars[row]
        if not grammar.allows(token):
            masked = grammar.masked(logits)
            u = uniforms(self._keys[row : row + 1], np.array([n_drawn + _SECOND_TRY], np.uint64))
            token = int(self._drawer.draw(masked[None, :], u)[0])
        if not self._vocabulary.ends_answer(token):
            grammar.accept(token)
        return token

    def leave(self, row: int) -> None:
        """The row's answer is over."""
        grammar = self._grammars.pop(row, None)
        if grammar is not None:
            grammar.close()


class ChainSampler:
    """A chain of the engine's samplers for each row, so that nothing is carried over."""

    def __init__(self, sampling: Sampling, vocabulary: Vocabulary, grammar: str | None = None) -> None:
        self._sampling = sampling
        self._vocabulary = vocabulary
        self._grammar = grammar
        self._chains: dict[int, NativeSampler] = {}

    def enter(self, row: int, seed: int, prompt: Tokens) -> None:
        """An answer begins in this row."""
        self.leave(row)
        self._chains[row] = new_chain(self._sampling, seed, prompt, self._vocabulary, self._grammar)

    def draw(self, logits: Logits, rows: Ints) -> Ints:
        """One token for each of `rows`."""
        found = [self._chains[row].draw(line) for row, line in zip(rows.tolist(), logits, strict=True)]
        return np.array(found, np.int64)

    def leave(self, row: int) -> None:
        """The row's answer is over."""
        chain = self._chains.pop(row, None)
        if chain is not None:
            chain.close()


# ---------------------------------------------------------------- the engine's samplers

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class NativeSampler:
    """One of the engine's samplers with its candidates, in a layout that it reads directly."""

    def __init__(self, native: Any, n_vocabulary: int) -> None:
        self._lib = library()
        self._native = native
        self._n_vocabulary = n_vocabulary

    def draw(self, logits: Logits) -> int:
        """The token the sampler selects; it remembers it."""
        candidates = self._candidates(logits)
        array = self._applied(candidates)
        # the sampler may have sorted and cut the candidates in place
        token = int(candidates["id"][array.selected])
        self.accept(token)
        return token

    def masked(self, logits: Logits) -> Logits:
        """The logits with minus infinity wherever the sampler forbids a token."""
        candidates = self._candidates(logits)
        self._applied(candidates)
        return np.ascontiguousarray(candidates["logit"])

    def allows(self, token: int) -> bool:
        """Whether one token alone gets through."""
        candidate = np.array([(token, 0.0, 0.0)], _CANDIDATE)
        self._applied(candidate)
        return bool(candidate["logit"][0] > -np.inf)

    def accept(self, token: int) -> None:
        """Go on from this token."""
        self._lib.llama_sampler_accept(self._native, token)

    def _candidates(self, logits: Logits) -> npt.NDArray[Any]:
        candidates = np.zeros(self._n_vocabulary, _CANDIDATE)
        candidates["id"] = np.arange(self._n_vocabulary)
        candidates["logit"] = logits
        return candidates

    def _applied(self, candidates: npt.NDArray[Any]) -> Any:
        lib = self._lib
        pointer = candidates.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
        array = lib.llama_token_data_array(data=pointer, size=len(candidates), selected=-1, sorted=False)
        lib.llama_sampler_apply(self._native, ctypes.byref(array))
        return array

    def close(self) -> None:
        """Free it. Closing twice does nothing."""
        native, self._native = self._native, None
        if native is not None:
            self._lib.llama_sampler_free(native)


def new_grammar(vocabulary: Vocabulary, grammar: str) -> NativeSampler:
    """A sampler that forbids what the grammar does; ModelFileError where the engine refuses it."""
    native = library().llama_sampler_init_grammar(vocabulary.native, grammar.encode("utf-8"), b"root")
    if not native:
        raise ModelFileError("the engine refuses the grammar of the answer's schema")
    return NativeSampler(native, vocabulary.n_tokens)


def new_chain(
    sampling: Sampling, seed: int, prompt: Tokens, vocabulary: Vocabulary, grammar: str | None
) -> NativeSampler:
    """One answer's samplers, one after the other."""
    lib = library()
    native = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    chain = NativeSampler(native, vocabulary.n_tokens)
    try:
        for sampler in _samplers(sampling, seed, prompt, vocabulary, grammar):
            lib.llama_sampler_chain_add(native, sampler)
    except BaseException:
        chain.close()
        raise
    return chain


def _samplers(
    sampling: Sampling, seed: int, prompt: Tokens, vocabulary: Vocabulary, grammar: str | None
) -> Any:
    lib = library()
    if grammar is not None:
        yield lib.llama_sampler_init_grammar(vocabulary.native, grammar.encode("utf-8"), b"root")
    penalties = _penalties(sampling)
    if penalties is not None:
        sampler = lib.llama_sampler_init_penalties(vocabulary.n_tokens, PENALTY_WINDOW_TOKENS, *penalties)
        for token in prompt[-PENALTY_WINDOW_TOKENS:].tolist():
            lib.llama_sampler_accept(sampler, token)
        yield sampler
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
