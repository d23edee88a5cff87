"""One loaded model with one context, in which several sequences share what they have in common.

In: a model file; tokens with their places. Out: logits. It knows no template, no text, no sampling and
no clock; what is decoded together and when is `schedule`'s to decide.

- Unified memory, flash attention off unless asked for: a raw context defaults to something else, and
  both decide how fast sequences with a common beginning are.
- Sliding-window models keep the full window: a fork needs what lies outside of it.
- The context is made anew when more room is needed than it has; its content is then lost.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.llama_cpp.batch import TokenBatch, Tokens
from bench.backends.llama_cpp.native import forget_log, last_reason, library, load_model
from bench.backends.llama_cpp.rope import fixed_frequencies
from bench.backends.llama_cpp.vocabulary import Vocabulary
from bench.errors import ModelFileError

Logits = npt.NDArray[np.float32]

MOST_SEQUENCES = 256  # the engine's own limit
ROOM_STEP_TOKENS = 256  # the engine rounds up to this
WARM_UP_TOKENS = 32
MOST_AT_ONCE = 512  # tokens that are computed together, however many a batch has
_DECODE_FAILURES = {
    1: "no room for the next token in the context's memory",
    2: "decoding was aborted",
    -1: "the engine calls the batch invalid",
}


class EngineError(Exception):
    """The engine failed on one batch; the message is one line."""


class EngineSettings(NamedTuple):
    """How the context is made."""

    context_tokens: int
    n_sequences: int
    n_threads: int
    n_threads_batch: int
    n_batch: int
    n_gpu_layers: int
    tensor_split: tuple[float, ...]
    flash_attn: bool


class Engine:
    """A native model and context. Used by one thread, closed once."""

    def __init__(self, path: Path, shown: str, settings: EngineSettings) -> None:
        self._lib = library()
        self._shown = shown
        self.settings = settings
        self._context: Any = None
        self._model, self.overrides = self._load(path)
        self.n_cells = 0
        """Tokens that fit into the context's memory, those that sequences share counted once."""
        try:
            self.vocabulary = Vocabulary(self._model)
            self.can_fork = not (
                self._lib.llama_model_is_recurrent(self._model)
                or self._lib.llama_model_is_hybrid(self._model)
            )
            """Whether sequences can share their beginning; the state of recurrent models cannot be cut."""
            self.make_room(WARM_UP_TOKENS)
            self._warm_up()
        except BaseException:
            self.close()
            raise

    def _load(self, path: Path) -> tuple[Any, dict[str, int]]:
        """The model, and what of its metadata is read otherwise."""
        load = partial(
            load_model,
            path,
            self._shown,
            n_gpu_layers=self.settings.n_gpu_layers,
            tensor_split=self.settings.tensor_split,
        )
        model = load()
        overrides = fixed_frequencies(model, self.settings.context_tokens)
        if overrides:
            self._lib.llama_model_free(model)
            model = load(overrides=overrides)
        return model, overrides

    def make_room(self, n_cells: int) -> None:
        """Have memory for so many tokens, and nothing in it. ModelFileError where there is too little."""
        if n_cells <= self.n_cells:
            self.clear()
            return
        if self._context is not None:
            self._lib.llama_free(self._context)
            self._context, self.n_cells = None, 0
        n_cells = -(-n_cells // ROOM_STEP_TOKENS) * ROOM_STEP_TOKENS
        self._context = self._new_context(n_cells)
        self.n_cells = n_cells
        self._memory = self._lib.llama_get_memory(self._context)
        self._scratch = TokenBatch(self.settings.n_batch)
        self._logits_at: tuple[int, int] | None = None

    def _new_context(self, n_cells: int) -> Any:
        settings, params = self.settings, self._lib.llama_context_default_params()
        params.n_ctx = n_cells
        params.n_batch = settings.n_batch
        params.n_ubatch = min(settings.n_batch, MOST_AT_ONCE)
        params.n_seq_max = settings.n_sequences
        params.n_threads = settings.n_threads
        params.n_threads_batch = settings.n_threads_batch
        params.flash_attn_type = int(settings.flash_attn)
        params.kv_unified = True
        params.swa_full = True
        params.no_perf = True
        forget_log()
        context = self._lib.llama_init_from_model(self._model, params)
        if not context:
            reason = last_reason("probably too little memory")
            raise ModelFileError(
                f"{self._shown}: no context of {n_cells} tokens can be made ({reason}); "
                "lower width or sampling.max_tokens, or take a smaller model"
            )
        return context

    def _warm_up(self) -> None:
        """Decode once, so that the first answer does not pay for page faults and thread starts."""
        token = max(0, self.vocabulary.bos)
        try:
            self.prefill([(np.full(WARM_UP_TOKENS, token, np.int32), 0, 0)])
        except EngineError as error:
            raise ModelFileError(f"the model loads but cannot decode: {error}") from error
        self.clear()

    def clear(self) -> None:
        """Forget every sequence."""
        self._lib.llama_memory_clear(self._memory, False)

    def fork(self, source: int, target: int) -> None:
        """Let the sequence `target` begin with all that `source` has; nothing is copied."""
        self._lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def forget(self, sequence: int) -> None:
        """Empty one sequence; what others share with it stays."""
        self._lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def prefill(self, parts: Sequence[tuple[Tokens, int, int]]) -> Logits:
        """Take in (tokens, first position, sequence) of each part, together; logits after each part's end.

        EngineError leaves the sequences in an unknown state: forget them.
        """
        tokens = np.concatenate([part[0] for part in parts])
        positions = np.concatenate([np.arange(at, at + len(part), dtype=np.int32) for part, at, _ in parts])
        sequences = np.concatenate([np.full(len(part), sequence, np.int32) for part, _, sequence in parts])
        wanted = np.zeros(len(tokens), np.int8)
        wanted[np.cumsum([len(part[0]) for part in parts]) - 1] = 1
        found = []
        for start in range(0, len(tokens), self.settings.n_batch):
            chunk = slice(start, start + self.settings.n_batch)
            n = self._scratch.fill(tokens[chunk], positions[chunk], sequences[chunk], wanted[chunk])
            self.decode(self._scratch)
            if n:
                found.append(self.logits(n).copy())
        return np.concatenate(found)

    def prefill_all(self, tokens: Tokens, at: int, sequence: int) -> Logits:
        """Take in at most `n_batch` tokens from position `at`; logits after each, until the next decode."""
        n = len(tokens)
        positions = np.arange(at, at + n, dtype=np.int32)
        self._scratch.fill(tokens, positions, np.full(n, sequence, np.int32), np.ones(n, np.int8))
        self.decode(self._scratch)
        return self.logits(n)

    def decode(self, batch: TokenBatch) -> None:
        """Decode one batch as it is. EngineError says why it failed."""
        code = self._lib.llama_decode(self._context, batch.native)
        if code != 0:
            reason = _DECODE_FAILURES.get(code, last_reason("it does not say why"))
            raise EngineError(f"llama_decode failed with code {code}: {reason}")

    def logits(self, n_rows: int) -> Logits:
        """Shape (n_rows, vocabulary): those asked for in the last decode; overwritten by the next one."""
        pointer = self._lib.llama_get_logits(self._context)
        address = ctypes.addressof(pointer.contents)
        if self._logits_at != (address, n_rows):
            shape = (n_rows, self.vocabulary.n_tokens)
            self._logits_view: Logits = np.ctypeslib.as_array(pointer, shape)
            self._logits_at = (address, n_rows)
        return self._logits_view

    def close(self) -> None:
        """Free context and model. Closing twice does nothing."""
        context, self._context = self._context, None
        model, self._model = self._model, None
        if context is not None:
            self._lib.llama_free(context)
        if model is not None:
            self._lib.llama_model_free(model)
