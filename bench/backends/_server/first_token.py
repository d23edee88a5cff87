"""The likeliest first tokens of an answer, as servers list them.

In: the run's sampling; then one token's entry of a reply. Out: settings under which a server's
probabilities are the model's own; probabilities, likeliest first. Nothing about a reply is taken on trust.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from bench.backends import TokenProbability
from bench.records import Sampling

MOST = 20
"""Alternatives that OpenAI's and Ollama's interfaces list at most."""
_AS_ID = "token_id:"
_NEUTRAL = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "stop": (),
    "stop_on_json": False,
    "max_tokens": 1,
}


def neutral(sampling: Sampling) -> Sampling:
    """One token, drawn from the model's own probabilities, in the run's context."""
    return sampling.model_copy(update=_NEUTRAL)


def probabilities(entry: Any) -> tuple[TokenProbability, ...] | None:
    """The alternatives of one token's entry (`top_logprobs`); None where there are none."""
    listed = entry.get("top_logprobs") if isinstance(entry, dict) else None
    if not isinstance(listed, list):
        return None
    return _ordered(
        _one(item.get("token"), item.get("logprob"), item.get("id"))
        for item in listed
        if isinstance(item, dict)
    )


def probabilities_by_text(table: Any) -> tuple[TokenProbability, ...] | None:
    """The same from the older interface, which has a table of texts."""
    if not isinstance(table, dict):
        return None
    return _ordered(_one(text, logprob, None) for text, logprob in table.items())


def _ordered(found: Iterable[TokenProbability | None]) -> tuple[TokenProbability, ...] | None:
    told = [one for one in found if one is not None]
    return tuple(sorted(told, key=lambda one: -one.logprob)) or None


def _one(text: Any, logprob: Any, token: Any) -> TokenProbability | None:
    is_number = isinstance(logprob, int | float) and not isinstance(logprob, bool)
    if not isinstance(text, str) or not is_number or not math.isfinite(logprob):
        return None
    if text.startswith(_AS_ID) and text.removeprefix(_AS_ID).isdecimal():  # vLLM, when asked for ids
        return TokenProbability(int(text.removeprefix(_AS_ID)), "", float(logprob))
    is_id = isinstance(token, int) and not isinstance(token, bool) and token >= 0
    return TokenProbability(token if is_id else None, text, float(logprob))
