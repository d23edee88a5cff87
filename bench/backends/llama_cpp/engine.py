"""One loaded model with one context: prefill a prompt once, decode an answer per seed.

In: a model file, token ids, a seed. Out: token ids, one at a time. It knows no template, no text and
no clock. Deliberately plain: one sequence, one token at a time; every answer to a prompt sees the
same arithmetic, whatever came before.

- The memory is emptied and the prompt prefilled anew for every prompt, even where two prompts begin
  alike: a prefix taken from memory changes the logits in the 7th digit, so the order of the articles
  could change answers.
- All but the last token of a prompt are prefilled once. Each answer then decodes the last one again,
  so that the first answer and the fifteenth start from the same numbers.
- Unified memory, flash attention off unless asked for: a raw context defaults to something else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.backends.llama_cpp.native import forget_log, last_reason, library, load_model
from bench.backends.llama_cpp.sampler import SamplerChain
from bench.backends.llama_cpp.vocabulary import Vocabulary
from bench.errors import ModelFileError
from bench.records import Sampling

_DECODE_FAILURES = {
    1: "no room for the next token in the context's memory",
    2: "decoding was aborted",
    -1: "the engine calls the batch invalid",
}


class EngineError(Exception):
    """The engine failed on one answer; the message is one line."""


class EngineSettings(NamedTuple):
    """How the context is made."""

    context_tokens: int
    n_threads: int
    n_threads_batch: int
    n_batch: int
    n_gpu_layers: int
    flash_attn: bool


class Engine:
    """A native model and context. Used by one thread, closed once."""

    def __init__(self, path: Path, shown: str, settings: EngineSettings) -> None:
        self._lib = library()
        self.settings = settings
        self._context: Any = None
        self._model = load_model(path, shown, n_gpu_layers=settings.n_gpu_layers)
        try:
            self._context = self._new_context(shown)
            self.vocabulary = Vocabulary(self._model)
            self._memory = self._lib.llama_get_memory(self._context)
            self._prompt: list[int] = []
            self._warm_up()
        except BaseException:
            self.close()
            raise

    def _new_context(self, shown: str) -> Any:
        settings, params = self.settings, self._lib.llama_context_default_params()
        params.n_ctx = settings.context_tokens
        params.n_batch = settings.n_batch
        params.n_ubatch = min(settings.n_batch, params.n_ubatch)
        params.n_seq_max = 1
        params.n_threads = settings.n_threads
        params.n_threads_batch = settings.n_threads_batch
        params.flash_attn_type = int(settings.flash_attn)
        params.kv_unified = True
        params.no_perf = True
        forget_log()
        context = self._lib.llama_init_from_model(self._model, params)
        if not context:
            reason = last_reason("probably too little memory")
            raise ModelFileError(
                f"{shown}: no context of {settings.context_tokens} tokens can be made ({reason}); "
                "lower sampling.context_tokens, or take a smaller model"
            )
        return context

    def _warm_up(self) -> None:
        """Decode once, so that the first answer does not pay for page faults and thread starts."""
        token = max(0, self.vocabulary.bos)
        try:
            self.prefill([token, token])
            self._decode([token])
        except EngineError as error:
            raise ModelFileError(f"the model loads but cannot decode: {error}") from error

    def prefill(self, prompt: Sequence[int]) -> None:
        """Take in a prompt: all of its tokens but the last."""
        self._prompt = list(prompt)
        self._lib.llama_memory_clear(self._memory, False)
        for start in range(0, len(prompt) - 1, self.settings.n_batch):
            self._decode(self._prompt[start : min(start + self.settings.n_batch, len(prompt) - 1)])

    def rewind(self) -> bool:
        """Forget the answer but not the prompt. False where the prompt had to be taken in again."""
        if self._lib.llama_memory_seq_rm(self._memory, 0, len(self._prompt) - 1, -1):
            return True
        # recurrent models cannot forget a part
        self.prefill(self._prompt)
        return False

    def tokens(self, sampling: Sampling, seed: int, grammar: str | None = None) -> Iterator[int]:
        """At most `sampling.max_tokens` tokens that answer the prompt; who reads them sees the turn's end."""
        chain = SamplerChain(
            sampling, seed, self._prompt, self.vocabulary.native, self.vocabulary.n_tokens, grammar
        )
        try:
            token = self._prompt[-1]
            for _ in range(sampling.max_tokens):
                self._decode([token])
                token = chain.draw(self._context)
                yield token
        finally:
            chain.close()

    def refuse_bad_grammar(self, grammar: str) -> None:
        """ModelFileError where the engine cannot use this grammar with this vocabulary."""
        vocabulary = self.vocabulary
        SamplerChain(Sampling(), 0, (), vocabulary.native, vocabulary.n_tokens, grammar).close()

    def _decode(self, tokens: list[int]) -> None:
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        code = self._lib.llama_decode(self._context, self._lib.llama_batch_get_one(array, len(tokens)))
        if code != 0:
            reason = _DECODE_FAILURES.get(code, last_reason("it does not say why"))
            raise EngineError(f"llama_decode failed with code {code}: {reason}")

    def close(self) -> None:
        """Free context and model. Closing twice does nothing."""
        context, self._context = self._context, None
        model, self._model = self._model, None
        if context is not None:
            self._lib.llama_free(context)
        if model is not None:
            self._lib.llama_model_free(model)
