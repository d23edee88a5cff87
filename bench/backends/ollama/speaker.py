"""Ollama's chat interface as one arm speaks it: a prompt and a seed in, a completion out.

In: a wire, a prompt, seeds. Out: one completion per seed. `duration_s` is Ollama's own, loading left out;
the time to the first token is taken here where the answer is streamed. Ollama keeps prompts and does not say
what it reused: `cached_tokens` is unknown.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from bench.backends._server.failure import ServerError
from bench.backends._server.growing import GrowingText
from bench.backends._server.prompt_size import Yardstick, overflows, reference_prompts
from bench.backends._server.thoughts import Thoughts
from bench.backends._server.wire import Wire
from bench.backends.ollama.chat import Bodies, Reply
from bench.records import Completion, Prompt, Sampling

PATH = "/api/chat"


class OllamaSpeaker:
    """Speaks for one arm to all of its servers."""

    def __init__(self, bodies: Bodies, sampling: Sampling, *, stream: bool) -> None:
        self._bodies = bodies
        self._sampling = sampling
        self._stream = stream or sampling.stop_on_json
        self._prompt_tokens: dict[str, int] = {}
        self._thoughts = Thoughts()
        self.yardstick: Yardstick | None = None
        """How long a token is."""

    async def answer(
        self, wire: Wire, prompt: Prompt, seeds: tuple[int, ...], *, alone: bool
    ) -> list[Completion]:
        """The completion for the one seed of a request."""
        known = self._refused(self._prompt_tokens.get(prompt.id))
        if known is not None:
            return [known] * len(seeds)
        streamed = alone or self._stream
        body = self._bodies.body(prompt.messages, seeds[0], streamed=streamed)
        return [self._checked(prompt, await self._asked(wire, body, streamed=streamed))]

    async def pieces(self, wire: Wire, prompt: Prompt, seed: int) -> AsyncIterator[str]:
        """The text of one answer as it comes."""
        text, reply = GrowingText(until_json=self._sampling.stop_on_json), Reply()
        body = self._bodies.body(prompt.messages, seed, streamed=True)
        async with aclosing(wire.lines(wire.address + PATH, body)) as lines:
            async for line in lines:
                if piece := text.add(reply.add(line)):
                    yield wire.masked(piece)
        reply.refuse_unfinished()
        if self._refused(reply.prompt_tokens) is not None:
            raise ServerError("overflow", "the prompt does not fit", prompt_tokens=reply.prompt_tokens)

    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the answers that were given."""
        return self._thoughts.notes()

    async def warm_up(self, wire: Wire) -> float | None:
        """Load the model with the context that will be used; the seconds it took. Measures a token, too."""
        load_s, counts = None, []
        try:
            for prompt in reference_prompts():
                body = self._bodies.body(prompt.messages, 0, streamed=False, num_predict=1)
                completion = await self._asked(wire, body, streamed=False)
                counts.append(completion.prompt_tokens)
                load_s = completion.load_s if load_s is None else load_s
        except ServerError as failure:
            if failure.kind != "overflow":  # a context that small holds no prose
                raise
        else:
            self.yardstick = Yardstick.measured(*counts)
        self._thoughts = Thoughts()  # of answers that count
        return load_s

    async def _asked(self, wire: Wire, body: dict[str, Any], *, streamed: bool) -> Completion:
        """One answer. The whole reply is waited for: only its end tells how long the prompt was."""
        text, reply = GrowingText(until_json=self._sampling.stop_on_json), Reply()
        ttft_s = text_s = None
        began = time.perf_counter()
        async with aclosing(wire.lines(wire.address + PATH, body)) as lines:
            async for line in lines:
                if text.add(reply.add(line)):
                    text_s = time.perf_counter() - began
                    ttft_s = text_s if ttft_s is None else ttft_s
        whole_s = time.perf_counter() - began
        reply.refuse_unfinished()
        self._thoughts.count(reply.has_thought)
        native_s = None if reply.total_s is None else reply.total_s - (reply.load_s or 0.0)
        return Completion(
            text=wire.masked(text.text),
            stop_reason="stop" if text.is_whole else reply.stop_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=None if text.n_dropped else reply.completion_tokens,
            load_s=reply.load_s,
            ttft_s=ttft_s if streamed else None,
            duration_s=text_s if text.is_whole else native_s if native_s and native_s > 0 else whole_s,
        )

    def _checked(self, prompt: Prompt, completion: Completion) -> Completion:
        """The same, or a refusal where Ollama's own count says that the prompt did not fit or was cut."""
        n_tokens = completion.prompt_tokens
        if n_tokens is None:
            return completion
        self._prompt_tokens[prompt.id] = n_tokens
        if self.yardstick is not None and self.yardstick.was_cut(prompt, n_tokens, self._sampling):
            return Completion(stop_reason="context_overflow")
        return self._refused(n_tokens) or completion

    def _refused(self, prompt_tokens: int | None) -> Completion | None:
        if prompt_tokens is None or not overflows(prompt_tokens, self._sampling):
            return None
        return Completion(stop_reason="context_overflow", prompt_tokens=prompt_tokens)
