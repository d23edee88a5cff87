"""How near a GGUF file computes and reads to the folder it was made of.

In: a transformers folder, its GGUF file, texts to tokenize and texts to run. Out: differences in numbers,
a Parity with what was compared, or a ModelFileError. The reference computes in float32 from the weights
as the folder stores them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from bench.errors import ModelFileError
from bench.training.engine import Engine, open_engine
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


class LogitGap(NamedTuple):
    """How far the logits of two engines are apart."""

    n_positions: int
    """Places at which all logits were compared."""
    worst: float
    """Largest absolute difference of a logit."""
    where: tuple[int, int, int]
    """Text, place in it and token of the largest difference."""
    n_top1_equal: int
    """Places where both prefer the same token."""
    n_ties: int
    """Places where they do not, but the reference's two are closer than `tie`."""
    root_mean_square: float
    """Root mean square of all differences."""
    spread: float
    """Standard deviation of the reference's logits."""


def reference_model(folder: Path) -> Any:
    """The folder's model in float32, ready to compute."""
    return AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=torch.float32, trust_remote_code=False, local_files_only=True
    ).eval()


def logit_gap(reference: Any, engine: Engine, texts: Iterable[Sequence[int]], tie: float) -> LogitGap:
    """The logits of both at every place of these texts (token ids)."""
    worst, where, n_positions, n_equal, n_ties = -1.0, (0, 0, 0), 0, 0, 0
    squares: list[float] = []
    spreads: list[float] = []
    for number, ids in enumerate(texts):
        with torch.no_grad():
            expected = reference(torch.tensor([list(ids)])).logits[0].numpy()
        found = engine.logits(ids)
        apart = np.abs(expected - found)
        apart = np.where(np.isfinite(apart), apart, np.inf)
        place, token = divmod(int(apart.argmax()), apart.shape[1])
        if apart[place, token] > worst:
            worst, where = float(apart[place, token]), (number, place, token)
        equal = expected.argmax(1) == found.argmax(1)
        near = expected.max(1) - np.take_along_axis(expected, found.argmax(1)[:, None], 1)[:, 0]
        n_positions += len(ids)
        n_equal += int(equal.sum())
        n_ties += int((~equal & (near <= tie)).sum())
        squares.append(float(np.mean(apart**2)))
        spreads.append(float(expected.std()))
    rms, spread = float(np.sqrt(np.mean(squares))), float(np.mean(spreads))
    return LogitGap(n_positions, worst, where, n_equal, n_ties, rms, spread)


def strings(n: int, seed: int = 0, special: Sequence[str] = SPECIAL) -> list[str]:
    """Varied texts: letters of many scripts, digits, white space, special tokens and look-alikes of them."""
    rng = Random(seed)
    named = [text for text in special[:6] if len(text) > 1]
    alike = [piece for text in named for piece in (text[:-1], text[1:], f"{text[0]} {text[1:]}")]
    pieces = (*_PIECES, *special, *alike)
    return [*pieces, *("".join(rng.choices(pieces, k=rng.randint(2, 8))) for _ in range(n))][:n]


def compare(model: Path, gguf_file: Path, texts: Sequence[str], n_strings: int = 200) -> Parity:
    """Same tokens, same logits, same first choice; ModelFileError says what differs."""
    tokenizer = load_tokenizer(model)
    encoder = Encoder(tokenizer)
    reference = reference_model(model)
    ids = [encoder.text(text) for text in texts]
    with open_engine(gguf_file, max(map(len, ids)) + 8) as engine:
        for text in strings(n_strings):
            _same_tokens(engine, text, tokenizer, encoder, gguf_file)
        gap = logit_gap(reference, engine, ids, FAULT)
    if gap.worst > FAULT or gap.n_top1_equal + gap.n_ties < gap.n_positions:
        raise ModelFileError(
            f"{gguf_file}: not the model that was trained: logits differ by up to {gap.worst:.4f} (allowed "
            f"{FAULT}), first choice equal at {gap.n_top1_equal} of {gap.n_positions} places; delete it, "
            "train again"
        )
    return Parity(n_strings, gap.n_positions, gap.worst, gap.n_top1_equal, gap.n_ties)


def _same_tokens(engine: Engine, text: str, tokenizer: Any, encoder: Encoder, path: Path) -> None:
    pairs = (
        (encoder.text(text), engine.tokens(text, special=False)),
        (tokenizer(text, add_special_tokens=False)["input_ids"], engine.tokens(text, special=True)),
    )
    for expected, found in pairs:
        if expected != found:
            raise ModelFileError(f"{path}: tokenizes {text!r} as {found}, the tokenizer as {expected}")
