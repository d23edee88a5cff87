"""The probabilities a model gives to a text that is already there: logits of every position.

In: prompts as tokens with their answers. Out: logits piece by piece, a few rows at a time. What the
prompts share is computed once and not scored, as in the llama_cpp backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.hf.rows import Reader
from bench.backends.hf.schedule import n_common

POSITIONS_AT_ONCE = 64


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
