"""The probabilities a model gives to a text that is already there: logits of every position.

In: prompts as tokens with their answers. Out: logits piece by piece, a few rows at a time. What the
prompts share is computed once and not scored, as in the llama_cpp backend. Or in: a raw text as tokens. Out:
its surprise in nats, summed where the model is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from bench.backends.hf.rows import Reader
from bench.backends.hf.schedule import n_common

POSITIONS_AT_ONCE = 64
TEXT_POSITIONS_AT_ONCE = 256


class Scored(NamedTuple):
    """Some positions of one text: what the model expected to follow, and what does."""

    text: int
    """Which of the texts."""
    logits: npt.NDArray[np.float32]
    """Positions x vocabulary."""
    following: npt.NDArray[np.int32]
    """The token that follows each position."""
    in_answer: npt.NDArray[np.bool_]
    """Whether that token belongs to the answer."""


def scored(reader: Reader, texts: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> Iterator[Scored]:
    """Every position of (prompt, answer), from the end of what all prompts share."""
    if not texts:
        return
    n_prefix = n_common([prompt for prompt, _ in texts])
    prefix = reader.read(texts[0][0][:n_prefix])[0] if n_prefix else None
    for index, (prompt, answer) in enumerate(texts):
        whole, kept = (*prompt, *answer), prefix
        # the last token foretells nothing that is there
        for start in range(n_prefix, len(whole) - 1, POSITIONS_AT_ONCE):
            stop = min(start + POSITIONS_AT_ONCE, len(whole) - 1)
            kept, logits = reader.read_all(whole[start:stop], kept)
            following = np.array(whole[start + 1 : stop + 1], np.int32)
            is_answer = np.arange(start + 1, stop + 1) >= len(prompt)
            yield Scored(index, logits.cpu().numpy(), following, is_answer)


# ---------------------------------------------------------------- raw text


class Window(NamedTuple):
    """What is read at once of a long text, by place of its tokens."""

    begin: int
    end: int
    """Past the last."""
    first: int
    """The first that is foretold here; those before it are context."""


def windows(n_tokens: int, window: int, stride: int) -> Iterator[Window]:
    """Windows of at most `window` tokens that foretell every token but the very first once.

    They begin `stride` tokens after one another, so that a token of a later window has at least
    window - stride tokens before it. ValueError unless 1 <= stride < window.
    """
    if not 1 <= stride < window:
        raise ValueError(f"a stride of {stride} in windows of {window}; at least 1, less than a window")
    begin, done = 0, 1
    while done < n_tokens:
        end = min(begin + window, n_tokens)
        yield Window(begin, end, done)
        begin, done = begin + stride, end


def surprise(reader: Reader, tokens: Sequence[int], window: int, stride: int) -> float:
    """Negative log-likelihood, in nats, of every token after the first."""
    return sum(_window_surprise(reader, tokens, part) for part in windows(len(tokens), window, stride))


def _window_surprise(reader: Reader, tokens: Sequence[int], part: Window) -> float:
    kept, total = None, 0.0
    # the logits after a token foretell the next one; what is context alone needs none
    if part.first - 1 > part.begin:
        kept, _ = reader.read(tokens[part.begin : part.first - 1])
    for start in range(part.first - 1, part.end - 1, TEXT_POSITIONS_AT_ONCE):
        stop = min(start + TEXT_POSITIONS_AT_ONCE, part.end - 1)
        kept, logits = reader.read_all(tokens[start:stop], kept)
        following = torch.tensor(list(tokens[start + 1 : stop + 1]), device=logits.device)
        losses = torch.nn.functional.cross_entropy(logits, following, reduction="none")
        total += float(losses.double().sum())
    return total
