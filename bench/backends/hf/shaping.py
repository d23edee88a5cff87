"""What the sampling settings make of logits, with the meaning and the order that llama.cpp gives them.

    penalties -> top_k -> top_p -> min_p -> temperature

In: logits of rows and the tokens each row has seen. Out: logits in which what may not be drawn is
minus infinity. A setting at its neutral value is left out. It draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bench.records import Sampling

PENALTY_WINDOW_TOKENS = 64
"""How far back penalties look, prompt included; as in the llama_cpp backend."""
COLDEST = 1e-6
"""Below this temperature only the likeliest token has any weight left."""


def is_greedy(sampling: Sampling) -> bool:
    """Whether the likeliest token is taken."""
    return sampling.temperature < COLDEST


def penalizes(sampling: Sampling) -> bool:
    """Whether earlier tokens matter."""
    found = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
    return found != (1.0, 0.0, 0.0)


def penalized(logits: Tensor, histories: Sequence[Sequence[int]], sampling: Sampling) -> Tensor:
    """Logits (rows, vocabulary) less likely where a token stands among the row's last tokens."""
    counts = torch.zeros_like(logits)
    for row, history in enumerate(histories):
        # tokens of a learned prompt stand in no answer
        window = [token for token in history[-PENALTY_WINDOW_TOKENS:] if token < logits.shape[1]]
        recent = torch.tensor(window, dtype=torch.int64, device=logits.device)
        counts[row].index_add_(0, recent, torch.ones_like(recent, dtype=logits.dtype))
    seen = counts > 0
    repeated = torch.where(logits <= 0, logits * sampling.repeat_penalty, logits / sampling.repeat_penalty)
    found = torch.where(seen, repeated, logits)
    return found - counts * sampling.frequency_penalty - seen * sampling.presence_penalty


def shaped(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits (rows, vocabulary) after truncation and temperature; not for greedy sampling."""
    if 0 < sampling.top_k < logits.shape[1]:
        kept = logits.topk(sampling.top_k, dim=1)
        logits = torch.full_like(logits, -math.inf).scatter_(1, kept.indices, kept.values)
    if sampling.top_p < 1:
        logits = _nucleus(logits, sampling.top_p)
    if sampling.min_p > 0:
        least = logits.amax(dim=1, keepdim=True) + math.log(sampling.min_p)
        logits = logits.masked_fill(logits < least, -math.inf)
    return logits / sampling.temperature


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens until their probabilities reach `top_p`, the one that reaches it included."""
    ordered, places = logits.sort(dim=1, descending=True, stable=True)
    probabilities = ordered.softmax(dim=1)
    before = probabilities.cumsum(dim=1) - probabilities
    ordered = ordered.masked_fill(before >= top_p, -math.inf)
    return torch.empty_like(logits).scatter_(1, places, ordered)
