"""How many answers can be decoded together in the memory there is.

In: what a file's header says, the prompts' lengths, the run's limits. Out: the widest width that fits.
It is asked before anything is measured, because one width holds for all arms of a run.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.backends.llama_cpp.batch import Tokens
from bench.backends.llama_cpp.schedule import WIDEST, cells_for_prompts, common_prefix
from bench.memory import KEPT_BYTES, available_bytes
from bench.records import Sampling

VALUE_BYTES, SCORE_BYTES = 2, 4
"""The engine keeps half-precision numbers, and computes scores in single precision."""


def cells(prompts: Sequence[Tokens], n_seeds: int, width: int, max_tokens: int) -> int:
    """Tokens that the memory of a context holds at most, while all of these prompts are answered."""
    n_prefix = len(common_prefix(prompts)) if prompts else 0
    own = cells_for_prompts([(len(prompt) - n_prefix, n_seeds) for prompt in prompts], width)
    return n_prefix + own + width * max_tokens


def cells_at_worst(sampling: Sampling, n_seeds: int, width: int) -> int:
    """The same for the longest prompts that the context allows, with nothing in common."""
    longest = sampling.context_tokens - sampling.max_tokens
    return cells_for_prompts([(longest, n_seeds)] * (width + 2), width) + width * sampling.max_tokens


def widest(prompts: Sequence[Tokens], n_seeds: int, max_tokens: int, n_free: int) -> int:
    """The largest width whose context has at most `n_free` cells; 0 where none has."""
    low, high = 0, WIDEST
    while low < high:
        middle = (low + high + 1) // 2
        if cells(prompts, n_seeds, middle, max_tokens) <= n_free:
            low = middle
        else:
            high = middle - 1
    return low


def cell_bytes(n_values: int, n_heads: int, n_batch: int, *, flash_attn: bool) -> int:
    """What room for one more token costs: its own numbers, and its place in the engine's scratch memory.

    Without flash attention the engine keeps the scores of a whole batch of prompt tokens against every
    cell, for all heads, and in either case a mask; both in single precision.
    """
    n_scores = n_batch * (1 if flash_attn else 1 + n_heads)
    return n_values * VALUE_BYTES + n_scores * SCORE_BYTES


def free_cells(bytes_per_cell: int, file_bytes: int) -> int:
    """Tokens that a context can hold beside a model of this size."""
    return (available_bytes() - file_bytes - KEPT_BYTES) // bytes_per_cell
