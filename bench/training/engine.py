"""A GGUF file opened by llama.cpp's low-level interface, to see what it computes and how it reads texts.

In: a file and the longest text in tokens. Out: tokens, logits and what the file says of its tokens. Flash
attention is off and the key-value cache is float32, so that only the weights' own rounding shows. It
generates nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from bench.amx import repacks_weights
from bench.errors import ModelFileError
from bench.training.quantize import silence_engine

Logits = npt.NDArray[np.float32]


class Engine:
    """One opened file; usable inside `open_engine`."""

    def __init__(self, model: Any, context: Any, path: Path) -> None:
        self._model, self._context, self._path = model, context, path
        self._vocab = llama_cpp.llama_model_get_vocab(model)
        self.n_tokens: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        """Size of the vocabulary."""
        self.template: str | None = _decoded(llama_cpp.llama_model_chat_template(model, None))
        """The chat template in the file."""

    def tokens(self, text: str, special: bool) -> list[int]:
        """The ids of a text; with `special`, names of special tokens become those tokens."""
        data = text.encode("utf-8")
        # a space may be put before every piece between special tokens
        room = (llama_cpp.llama_token * (2 * len(data) + 8))()
        n = llama_cpp.llama_tokenize(self._vocab, data, len(data), room, len(room), False, special)
        return list(room[:n])

    def logits(self, ids: Sequence[int]) -> Logits:
        """(tokens, vocabulary) logits of every place."""
        decode(self._context, ids, self._path)
        values = llama_cpp.llama_get_logits(self._context)
        return np.ctypeslib.as_array(values, (len(ids), self.n_tokens)).copy()

    def text_of(self, token: int) -> str:
        """A token's own text, "" where there is none."""
        if not 0 <= token < self.n_tokens:
            return ""
        return _decoded(llama_cpp.llama_vocab_get_text(self._vocab, token)) or ""

    def ends(self) -> frozenset[int]:
        """The tokens at which an answer ends."""
        is_end = llama_cpp.llama_vocab_is_eog
        return frozenset(i for i in range(self.n_tokens) if is_end(self._vocab, i))

    def special(self) -> dict[str, int]:
        """Ids of the tokens with a meaning; -1 where there is none."""
        return {
            "bos": int(llama_cpp.llama_vocab_bos(self._vocab)),
            "eos": int(llama_cpp.llama_vocab_eos(self._vocab)),
            "eot": int(llama_cpp.llama_vocab_eot(self._vocab)),
            "pad": int(llama_cpp.llama_vocab_pad(self._vocab)),
        }

    def adds(self) -> tuple[bool, bool]:
        """Whether bos is put before a text, and eos after it."""
        return (
            bool(llama_cpp.llama_vocab_get_add_bos(self._vocab)),
            bool(llama_cpp.llama_vocab_get_add_eos(self._vocab)),
        )


def _decoded(text: bytes | None) -> str | None:
    return None if text is None else text.decode("utf-8", "replace")


@contextmanager
def open_engine(path: Path, n_tokens: int) -> Iterator[Engine]:
    """Open a file for texts of at most `n_tokens`. ModelFileError where llama.cpp cannot."""
    model = load_model(path)
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = n_tokens
    parameters.type_k = parameters.type_v = llama_cpp.GGML_TYPE_F32
    parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.n_threads = parameters.n_threads_batch = os.cpu_count() or 1
    context = llama_cpp.llama_init_from_model(model, parameters)
    if not context:
        llama_cpp.llama_model_free(model)
        raise ModelFileError(f"{path}: llama.cpp cannot make a context of {n_tokens} tokens")
    try:
        yield Engine(model, context, path)
    finally:
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)


def load_model(path: Path) -> Any:
    """A native model, to be freed by `llama_model_free`. ModelFileError where llama.cpp cannot."""
    silence_engine()
    llama_cpp.llama_backend_init()
    parameters = llama_cpp.llama_model_default_params()
    parameters.use_extra_bufts = repacks_weights(llama_cpp.llama_print_system_info())
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), parameters)
    if not model:
        raise ModelFileError(f"{path}: llama.cpp cannot load it; delete it and make it again")
    return model


def decode(context: Any, ids: Sequence[int], path: Path) -> None:
    """Let the model read one text from its beginning.

    Logits are asked for at every place: the last block computes no more places than those.
    """
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
    try:
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.logits[i] = token, i, 1
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
        code = llama_cpp.llama_decode(context, batch)
    finally:
        llama_cpp.llama_batch_free(batch)
    if code != 0:
        raise ModelFileError(f"{path}: llama.cpp could not run the model (code {code})")
