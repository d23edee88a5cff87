"""Thoughts that a server tells beside an answer, because the model thinks or the server lets it.

In: an answer's message. Out: a note for the run once it is over. Thoughts are no part of the answer and are
not judged, but they cost time and count against `max_tokens`, so a reader has to know of them.
"""

from __future__ import annotations

from typing import Any

_FIELDS = ("thinking", "reasoning_content", "reasoning")
"""Ollama's word, llama-server's and older vLLM's, vLLM's."""


def has_thought(message: Any) -> bool:
    """Whether a message, or a piece of one, holds thoughts."""
    return isinstance(message, dict) and any(isinstance(message.get(f), str) and message[f] for f in _FIELDS)


class Thoughts:
    """How many answers of a session came with thoughts."""

    def __init__(self) -> None:
        self._n = 0

    def count(self, n: int) -> None:
        """So many more answers."""
        self._n += n

    def notes(self) -> tuple[str, ...]:
        """What to say about them, nothing where there were none."""
        if not self._n:
            return ()
        return (
            f"{self._n} answers came with thoughts beside them, which are not judged but take time and "
            "count against max_tokens; take a model that does not think, or tell the server not to let it",
        )
