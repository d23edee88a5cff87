"""Which of two sets of rotary frequencies a long-context model (longrope) uses, fixed for a whole run.

In: a loaded model and the longest text of the run. Out: metadata to load the model with instead, nothing
for other models. Left alone, the engine takes the long set as soon as its context has room for more tokens
than the model was first trained for; here that room is shared by many short texts, so that the same text
would be computed otherwise at another width.
"""

from __future__ import annotations

from typing import Any

from bench.backends.llama_cpp.native import metadata

_ALWAYS_LONG, _ALWAYS_SHORT = 1, 2**31 - 1


def fixed_frequencies(model: Any, context_tokens: int) -> dict[str, int]:
    """The metadata that makes one set hold: the short one where no text is longer than its training."""
    architecture = metadata(model, "general.architecture")
    key = f"{architecture}.rope.scaling.original_context_length"
    original = metadata(model, key)
    scaling = metadata(model, f"{architecture}.rope.scaling.type") or "longrope"
    if not original.isdigit() or scaling != "longrope":
        return {}
    return {key: _ALWAYS_LONG if context_tokens > int(original) else _ALWAYS_SHORT}


def takes_long(overrides: dict[str, int]) -> bool:
    """Whether these overrides choose the long set."""
    return _ALWAYS_LONG in overrides.values()
