"""Whether the fp16 GGUF file is the same model as the one that was trained.

In: a transformers folder, its GGUF file, texts to tokenize and texts to run. Out: a Parity with what
was compared, or a ModelFileError. The reference computes in float32 from the fp16 weights; llama.cpp
runs with flash attention off and a float32 key-value cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import llama_cpp
import numpy as np
import numpy.typing as npt
import torch
from transformers import LlamaForCausalLM

from bench.errors import ModelFileError
from bench.training.quantize import silence_engine
from bench.training.tokenizer import SPECIAL, Encoder, load_tokenizer

TOLERANCE = 0.01
"""Largest difference of a logit that rounding to fp16 makes on the processors seen; more is told."""
FAULT = 0.05
"""From here on the file is not the model: a tensor in the wrong place or order gives 0.1 and more."""
_PIECES = (
    "profit rose 14 percent", "Naïve café", "1234567890", "3,141.59", "  two  spaces", "\t\ttabs\n",
    "\r\n\r\n", "don't we'll I'm it's", "日本語のテキスト", "Ελληνικά", "русский текст", "عربي", "हिन्दी",
    "한국어", "🚀🔥", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "e\u0301", "½ ² ٣ Ⅷ", "\u00a0nbsp",
    "\u200bzero", "{\"reasoning\": \"x\"}", "<article>", "</article>", "<|end", "|>", "[[a|b]]",
    "snake_case", "CamelCase", "...", "!?!?", "#1", "$5.20", "€3", "100%", "a", "\n", " ", "ß", "ﬁ",
    "\u2028", "\u0000",
)  # fmt: skip
Logits = npt.NDArray[np.float32]


class Parity(NamedTuple):
    """What was compared and how it came out."""

    n_strings: int
    """Strings that gave the same tokens."""
    n_positions: int
    """Places at which all logits were compared."""
    max_logit_difference: float
    """Largest absolute difference of a logit."""
    n_top1_equal: int
    """Places where both prefer the same token."""
    n_ties: int
    """Places where they do not, but the two tokens are closer than what rounding may make."""


def strings(n: int, seed: int = 0) -> list[str]:
    """Varied texts: letters of many scripts, digits, white space, look-alikes of special tokens."""
    rng = Random(seed)
    pieces = (*_PIECES, *SPECIAL)
    return [*pieces, *("".join(rng.choices(pieces, k=rng.randint(2, 8))) for _ in range(n - len(pieces)))][:n]


def compare(model: Path, gguf_file: Path, texts: Sequence[str], n_strings: int = 200) -> Parity:
    """Same tokens, same logits, same first choice; ModelFileError says what differs."""
    tokenizer = load_tokenizer(model)
    encoder = Encoder(tokenizer)
    reference = LlamaForCausalLM.from_pretrained(str(model), dtype=torch.float32).eval()
    worst, n_positions, n_equal, n_ties = 0.0, 0, 0, 0
    with _engine(gguf_file, max(len(encoder.text(t)) for t in texts) + 8) as engine:
        for text in strings(n_strings):
            _same_tokens(engine, text, tokenizer, encoder, gguf_file)
        for text in texts:
            ids = encoder.text(text)
            with torch.no_grad():
                expected = reference(torch.tensor([ids])).logits[0].numpy()
            found = engine.logits(ids)
            worst = max(worst, float(np.abs(expected - found).max()))
            equal = expected.argmax(1) == found.argmax(1)
            gap = expected.max(1) - np.take_along_axis(expected, found.argmax(1)[:, None], 1)[:, 0]
            n_positions += len(ids)
            n_equal += int(equal.sum())
            n_ties += int((~equal & (gap <= FAULT)).sum())
    if worst > FAULT or n_equal + n_ties < n_positions:
        raise ModelFileError(
            f"{gguf_file}: not the model that was trained: logits differ by up to {worst:.4f} (allowed "
            f"{FAULT}), first choice equal at {n_equal} of {n_positions} places; delete it, train again"
        )
    return Parity(n_strings, n_positions, worst, n_equal, n_ties)


def _same_tokens(engine: _Engine, text: str, tokenizer: Any, encoder: Encoder, path: Path) -> None:
    pairs = (
        (encoder.text(text), engine.tokens(text, special=False)),
        (tokenizer(text, add_special_tokens=False)["input_ids"], engine.tokens(text, special=True)),
    )
    for expected, found in pairs:
        if expected != found:
            raise ModelFileError(f"{path}: tokenizes {text!r} as {found}, the tokenizer as {expected}")


class _Engine:
    """A GGUF file opened through llama.cpp's low-level interface."""

    def __init__(self, model: Any, context: Any, n_tokens: int) -> None:
        self._context = context
        self._vocab = llama_cpp.llama_model_get_vocab(model)
        self._width = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self._limit = n_tokens

    def tokens(self, text: str, special: bool) -> list[int]:
        """The ids of a text; with `special`, names of special tokens become those tokens."""
        data = text.encode("utf-8")
        room = (llama_cpp.llama_token * (len(data) + 8))()
        n = llama_cpp.llama_tokenize(self._vocab, data, len(data), room, len(room), False, special)
        return list(room[:n])

    def logits(self, ids: Sequence[int]) -> Logits:
        """(tokens, vocabulary) logits of every place."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
        try:
            batch.n_tokens = len(ids)
            for i, token in enumerate(ids):
                batch.token[i], batch.pos[i], batch.logits[i] = token, i, 1
                batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            code = llama_cpp.llama_decode(self._context, batch)
        finally:
            llama_cpp.llama_batch_free(batch)
        if code != 0:
            raise ModelFileError(f"llama.cpp could not run the model (code {code})")
        values = llama_cpp.llama_get_logits(self._context)
        return np.ctypeslib.as_array(values, (len(ids), self._width)).copy()


@contextmanager
def _engine(path: Path, n_tokens: int) -> Iterator[_Engine]:
    silence_engine()
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), llama_cpp.llama_model_default_params())
    if not model:
        raise ModelFileError(f"{path}: llama.cpp cannot load it; delete it and train again")
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
        yield _Engine(model, context, n_tokens)
    finally:
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)
