"""The probabilities a model gives to a text that is already there: logits of every position.

In: prompts as tokens with their answers. Out: logits piece by piece, a few rows at a time, so that no
file and no array of gigabytes comes to be. What the prompts share is computed once and not scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bench.backends.llama_cpp.batch import Tokens
from bench.backends.llama_cpp.engine import Engine, Logits
from bench.backends.llama_cpp.schedule import FIRST_ROW, PREFIX, common_prefix

ROWS_AT_ONCE = 64


class Scored(NamedTuple):
    """Some positions of one text: what the model expected to follow, and what does."""

    text: int
    """Which of the texts."""
    logits: Logits
    """Positions x vocabulary; valid until the next piece is asked for."""
    following: Tokens
    """The token that follows each position."""
    in_answer: np.ndarray
    """Whether that token belongs to the answer."""


def scored(engine: Engine, texts: Sequence[tuple[Tokens, Tokens]]) -> Iterator[Scored]:
    """Every position of (prompt, answer), from the end of what all prompts share."""
    if not texts:
        return
    prefix = common_prefix([prompt for prompt, _ in texts])
    engine.make_room(len(prefix) + max(len(p) + len(a) for p, a in texts))
    if len(prefix):
        engine.prefill([(prefix, 0, PREFIX)])
    n_rows = min(ROWS_AT_ONCE, engine.settings.n_batch)
    for index, (prompt, answer) in enumerate(texts):
        whole = np.concatenate([prompt, answer]).astype(np.int32)
        engine.fork(PREFIX, FIRST_ROW)
        # the last token foretells nothing that is there
        for start in range(len(prefix), len(whole) - 1, n_rows):
            stop = min(start + n_rows, len(whole) - 1)
            logits = engine.prefill_all(whole[start:stop], start, FIRST_ROW)
            following = whole[start + 1 : stop + 1]
            yield Scored(index, logits, following, np.arange(start + 1, stop + 1) >= len(prompt))
        engine.forget(FIRST_ROW)
