"""What a server answered, as completions. Nothing about a reply is taken on trust.

In: the parsed JSON of a whole reply, or of a stream's pieces one after the other. Out: texts, why they
ended, and counts; a ServerError where the reply is not what the interface promises.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from bench.backends._server.failure import ServerError
from bench.backends._server.thoughts import has_thought
from bench.backends._server.wire import parsed
from bench.records import StopReason

_STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "eos_token": "stop",  # TGI's words
    "stop_sequence": "stop",
    "max_tokens": "length",
}
_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length"
    r"|context (length|size|window|overflow)|max_model_len|inputs?` tokens \+ `max_new_tokens`",
    re.IGNORECASE,
)


@dataclass
class Counts:
    """What a server says it read and wrote; None where it does not say."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None

    def add(self, reply: dict[str, Any]) -> None:
        """Take in the `usage` and `timings` of a reply or of a piece of one."""
        usage, timings = reply.get("usage"), reply.get("timings")
        if isinstance(usage, dict):
            self.prompt_tokens = _count(usage.get("prompt_tokens"), self.prompt_tokens)
            self.completion_tokens = _count(usage.get("completion_tokens"), self.completion_tokens)
            details = usage.get("prompt_tokens_details")
            if isinstance(details, dict):
                self.cached_tokens = _count(details.get("cached_tokens"), self.cached_tokens)
        if isinstance(timings, dict):  # llama-server's own, there before the usage is
            self.cached_tokens = _count(timings.get("cache_n"), self.cached_tokens)
            self.completion_tokens = _count(timings.get("predicted_n"), self.completion_tokens)


@dataclass
class Choice:
    """One answer of a reply."""

    text: str = ""
    stop_reason: StopReason | None = None
    has_thought: bool = False


@dataclass
class Reply:
    """A whole reply."""

    choices: list[Choice]
    counts: Counts = field(default_factory=Counts)


def whole_reply(body: bytes, n_choices: int) -> Reply:
    """The answers of a reply that came at once, in the order of their numbers."""
    found = _object(parsed(body))
    choices = found.get("choices")
    if not isinstance(choices, list) or len(choices) != n_choices:
        n_found = len(choices) if isinstance(choices, list) else "no"
        raise ServerError("garbled", f"its reply has {n_found} choices where {n_choices} were asked for")
    ordered: dict[int, Choice] = {}
    for place, raw in enumerate(choices):
        choice = _object(raw)
        ordered[_count(choice.get("index"), place) or 0] = Choice(
            _text(choice), _stop_reason(choice), has_thought(choice.get("message"))
        )
    if sorted(ordered) != list(range(n_choices)):
        raise ServerError("garbled", "the choices of its reply are not numbered from 0")
    counts = Counts()
    counts.add(found)
    if n_choices > 1:
        counts.completion_tokens = None  # of all of them, of one, or wrong: servers differ
    return Reply([ordered[i] for i in range(n_choices)], counts)


class StreamedReply:
    """A reply of one answer that comes in events. Feed it line by line."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.stop_reason: StopReason | None = None
        self.is_over = False
        """Whether the stream said that nothing follows."""
        self.has_thought = False

    def add(self, line: bytes) -> str:
        """The new text in one line of the stream, often none."""
        if not line.startswith(b"data:"):
            return ""  # comments that keep a connection alive, names of events
        data = line[5:].strip()
        if data == b"[DONE]":
            self.is_over = True
            return ""
        found = _object(parsed(data))
        self.counts.add(found)
        choices = found.get("choices")
        if not isinstance(choices, list):
            raise ServerError("garbled", "an event of its stream has no choices")
        if not choices:
            return ""
        choice = _object(choices[0])
        self.stop_reason = _stop_reason(choice) or self.stop_reason
        self.has_thought = self.has_thought or has_thought(choice.get("delta"))
        return _text(choice, "delta")

    def refuse_unfinished(self) -> None:
        """ServerError where the stream broke off before the answer had ended."""
        if self.stop_reason is None and not self.is_over:
            raise ServerError("connection", "its stream broke off in the middle of an answer")


def explain(status: int, body: bytes) -> ServerError | None:
    """A context that is exceeded, in the words of several servers; None for every other error."""
    if status not in {400, 413, 422, 500}:
        return None
    try:
        found = parsed(body)
    except ServerError:
        return None
    error = found.get("error", found) if isinstance(found, dict) else found
    if not _OVERFLOW.search(error if isinstance(error, str) else json.dumps(error)):
        return None
    n_tokens = error.get("n_prompt_tokens") if isinstance(error, dict) else None
    return ServerError("overflow", "the prompt exceeds the context", prompt_tokens=_count(n_tokens, None))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ServerError("garbled", "its reply is no JSON object")
    error = value.get("error")
    if error:  # with status 200, in the middle of a stream
        if _OVERFLOW.search(json.dumps(error)):
            raise ServerError("overflow", "the prompt exceeds the context")
        said = error.get("message") if isinstance(error, dict) else error
        raise ServerError("broken", f"it says: {said}")
    return value


def _text(choice: dict[str, Any], holder: str = "message") -> str:
    """The text of a chat's turn or of a completion; "" where the model said nothing."""
    where = choice.get(holder, choice)
    content = where.get("content" if holder in choice else "text") if isinstance(where, dict) else where
    if content is None:
        return ""
    if not isinstance(content, str):
        raise ServerError("garbled", "the text of its reply is no text")
    return content


def _stop_reason(choice: dict[str, Any]) -> StopReason | None:
    reason = choice.get("finish_reason")
    if reason is None:
        return None
    if reason not in _STOP_REASONS:
        raise ServerError("refused", f"it ended the answer for the reason {str(reason)!r}")
    return _STOP_REASONS[reason]


def _count(value: Any, otherwise: int | None) -> int | None:
    """A number of tokens, or `otherwise` for what is none."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if is_count else otherwise
