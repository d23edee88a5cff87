"""The next token of every row: logits in, tokens out, each row by its own seed.

In: the run's sampling; rows that come and go with a seed and a prompt. Out: one token per row. What a
row draws depends on its logits, its seed and how many tokens it has drawn, on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.backends.hf.draw import gumbel
from bench.backends.hf.shaping import PENALTY_WINDOW_TOKENS, is_greedy, penalized, penalizes, shaped
from bench.records import Sampling

_MASK = 0xFFFFFFFF


@dataclass
class _Row:
    seed: int
    n_drawn: int
    history: list[int]


class Sampler:
    """Draws for rows."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._penalizes = penalizes(sampling)
        self._rows: dict[int, _Row] = {}

    def enter(self, row: int, seed: int, prompt: Sequence[int]) -> None:
        """An answer begins in this row."""
        self._rows[row] = _Row((seed ^ seed >> 32) & _MASK, 0, list(prompt[-PENALTY_WINDOW_TOKENS:]))

    def leave(self, row: int) -> None:
        """The row's answer is over."""
        self._rows.pop(row, None)

    def draw(self, logits: Tensor, rows: Sequence[int]) -> list[int]:
        """One token for each of `rows`, from the same line of `logits` (rows, vocabulary; float32)."""
        known = [self._rows[row] for row in rows]
        if self._penalizes:
            logits = penalized(logits, [row.history for row in known], self._sampling)
        if is_greedy(self._sampling):
            tokens = logits.argmax(dim=1)
        else:
            seeds = torch.tensor([row.seed for row in known], dtype=torch.int64, device=logits.device)
            places = torch.tensor([row.n_drawn for row in known], dtype=torch.int64, device=logits.device)
            noise = gumbel(seeds, places, logits.shape[1])
            tokens = (shaped(logits, self._sampling).to(torch.float64) + noise).argmax(dim=1)
        found: list[int] = tokens.tolist()
        for row, token in zip(known, found, strict=True):
            row.n_drawn += 1
            row.history = [*row.history, token][-PENALTY_WINDOW_TOKENS:] if self._penalizes else row.history
        return found
