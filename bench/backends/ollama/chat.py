"""What is sent to `/api/chat`, and what comes back. Nothing about a reply is taken on trust.

In: the run's sampling, messages, a seed; then the bytes of a reply. Out: a body; text, counts and Ollama's
own durations (nanoseconds there, seconds here). Every sampling value is sent in a plain dictionary, because
Ollama's own defaults are temperature 0.8, top_k 40 and top_p 0.9, and a model's Modelfile may change them.
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.backends._server.failure import ServerError
from bench.backends._server.schema import json_schema
from bench.backends._server.thoughts import has_thought
from bench.backends._server.wire import parsed
from bench.backends.ollama.options import Options
from bench.records import AnswerSchema, Message, Sampling, StopReason

PENALTY_WINDOW_TOKENS = 64
_STOP_REASONS: dict[str, StopReason] = {"stop": "stop", "length": "length"}
_OVERFLOW = (
    "exceeds the context length",
    "exceeds the available context",
    "exceed_context_size",
    "longer than the context length",
)


def sent_options(sampling: Sampling, options: Options, own_stops: Sequence[str]) -> dict[str, Any]:
    """Every value that decides an answer. The model's own stop texts end turns, so they are kept."""
    runner = {"num_gpu": options.num_gpu, "num_thread": options.num_thread}
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "typical_p": 1.0,
        "repeat_penalty": sampling.repeat_penalty,
        "repeat_last_n": PENALTY_WINDOW_TOKENS,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "num_predict": sampling.max_tokens,
        "num_ctx": sampling.context_tokens,
        "stop": [*sampling.stop, *own_stops],
        **{name: value for name, value in runner.items() if value is not None},
    }


class Bodies:
    """Makes the bodies of one arm's requests."""

    def __init__(
        self,
        model: str,
        options: Options,
        sampling: Sampling,
        schema: AnswerSchema | None,
        own_stops: Sequence[str],
        *,
        can_think: bool,
    ) -> None:
        self._sent = sent_options(sampling, options, own_stops)
        keep_alive = options.keep_alive
        self._common: dict[str, Any] = {
            "model": model,
            "truncate": False,
            "shift": False,
            "keep_alive": int(keep_alive) if keep_alive.lstrip("-").isdecimal() else keep_alive,
        }
        if can_think:
            self._common["think"] = False
        if schema is not None:
            self._common["format"] = json_schema(schema)

    def body(
        self, messages: Sequence[Message], seed: int, *, streamed: bool, **instead: Any
    ) -> dict[str, Any]:
        """The body for one conversation; `instead` replaces options."""
        return {
            **self._common,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "stream": streamed,
            "options": {**self._sent, "seed": seed, **instead},
        }


@dataclass
class Reply:
    """An answer as it grows; feed it the objects of the reply, one or many."""

    pieces: list[str] = field(default_factory=list)
    stop_reason: StopReason | None = None
    is_over: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    load_s: float | None = None
    has_thought: bool = False
    total_s: float | None = None

    def add(self, line: bytes) -> str:
        """The new text in one object."""
        found = parsed(line)
        if not isinstance(found, dict):
            raise ServerError("garbled", "its reply is no JSON object")
        if found.get("error"):
            raise explained(str(found["error"])) or ServerError("broken", f"it says: {found['error']}")
        message = found.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        if not isinstance(text, str):
            raise ServerError("garbled", "its reply has no message with a text")
        self.has_thought = self.has_thought or has_thought(message)
        self.pieces.append(text)
        if found.get("done") is True:
            self._finish(found)
        return text

    def refuse_unfinished(self) -> None:
        """ServerError where the reply broke off before the answer had ended."""
        if not self.is_over:
            raise ServerError("connection", "its reply broke off in the middle of an answer")

    def _finish(self, found: dict[str, Any]) -> None:
        reason = found.get("done_reason")
        if reason is not None and reason not in _STOP_REASONS:
            raise ServerError("broken", f"it ended the answer for the reason {str(reason)!r}")
        self.is_over = True
        self.stop_reason = _STOP_REASONS[reason] if reason is not None else None
        self.prompt_tokens = _whole(found.get("prompt_eval_count"))
        self.completion_tokens = _whole(found.get("eval_count"))
        self.load_s = _seconds(found.get("load_duration"))
        self.total_s = _seconds(found.get("total_duration"))


def explained(text: str) -> ServerError | None:
    """An exceeded context, in Ollama's words; None for every other error."""
    if any(words in text for words in _OVERFLOW):
        return ServerError("overflow", "the prompt exceeds the context")
    return None


def explain(status: int, body: bytes) -> ServerError | None:
    """The same for the body of an HTTP error."""
    return explained(body.decode("utf-8", "replace")) if status in {400, 500} else None


def _whole(value: Any) -> int | None:
    """A count that says something: Ollama leaves out what is 0."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53
    return value if is_count else None


def _seconds(nanoseconds: Any) -> float | None:
    n = _whole(nanoseconds)
    return None if n is None else n / 1e9
