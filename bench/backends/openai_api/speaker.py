"""The OpenAI interface as one arm speaks it: a prompt and its seeds in, completions out.

In: a wire, a prompt, seeds. Out: one completion per seed, with what the server counted and what was timed
here, from sending the request to the last byte of its answer. It retries nothing and judges nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from bench.backends._server.failure import ServerError
from bench.backends._server.growing import GrowingText
from bench.backends._server.prompt_size import Yardstick, overflows
from bench.backends._server.thoughts import Thoughts
from bench.backends._server.wire import Wire
from bench.backends.openai_api.body import Bodies
from bench.backends.openai_api.options import PATHS, Options
from bench.backends.openai_api.prepare import Prepared, Preparer
from bench.backends.openai_api.reply import StreamedReply, whole_reply
from bench.records import AnswerSchema, Completion, ModelSpec, Prompt, Sampling


class OpenAiSpeaker:
    """Speaks for one arm to all of its servers."""

    def __init__(self, spec: ModelSpec, options: Options, sampling: Sampling, schema: AnswerSchema) -> None:
        self._options = options
        self._sampling = sampling
        self._preparer = Preparer(spec.ref, options)
        self._bodies = Bodies(spec.ref, options, sampling, schema if spec.output == "json_schema" else None)
        self._thoughts = Thoughts()
        self.yardstick: Yardstick | None = None
        """How long a token is; None where no server counts."""

    def url(self, wire: Wire) -> str:
        """Where answers are asked for."""
        return wire.address + PATHS[self._options.endpoint]

    async def answer(
        self, wire: Wire, prompt: Prompt, seeds: tuple[int, ...], *, alone: bool
    ) -> list[Completion]:
        """One completion per seed; the first one's seed is sent, further ones' follow from it."""
        prepared = await self._preparer.prepared(wire, prompt)
        refused = self._refused(prepared.prompt_tokens)
        if refused is not None:
            return [refused] * len(seeds)
        streamed = alone or self._options.stream or self._sampling.stop_on_json
        salt = secrets.token_hex(16) if alone else None
        body = self._bodies.body(prepared.sent, seeds, streamed=streamed, salt=salt)
        if streamed:
            completions = [await self._streamed(wire, body, prepared)]
        else:
            completions = await self._whole(wire, body, len(seeds))
        return self._checked(prompt, completions)

    async def pieces(self, wire: Wire, prompt: Prompt, seed: int) -> AsyncIterator[str]:
        """The text of one answer as it comes."""
        prepared = await self._preparer.prepared(wire, prompt)
        if self._refused(prepared.prompt_tokens) is not None:
            raise ServerError("overflow", "the prompt does not fit", prompt_tokens=prepared.prompt_tokens)
        body = self._bodies.body(prepared.sent, (seed,), streamed=True)
        text = GrowingText(until_json=self._sampling.stop_on_json)
        reply = StreamedReply()
        async with aclosing(wire.lines(self.url(wire), body)) as lines:
            async for line in lines:
                if piece := text.add(reply.add(line)):
                    yield wire.masked(piece)
                if text.is_whole:
                    return
        reply.refuse_unfinished()

    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the answers that were given."""
        return self._thoughts.notes()

    async def try_out(self, wire: Wire, prompt: Prompt) -> int | None:
        """Ask for one token with every parameter of the arm; the prompt's tokens, where they are told."""
        prepared = await self._preparer.prepared(wire, prompt)
        body = self._bodies.body(prepared.sent, (0,), streamed=False, max_tokens=1)
        completion = (await self._whole(wire, body, 1))[0]
        self._thoughts = Thoughts()  # of answers that count
        return completion.prompt_tokens if prepared.prompt_tokens is None else prepared.prompt_tokens

    async def _whole(self, wire: Wire, body: dict[str, Any], n: int) -> list[Completion]:
        began = time.perf_counter()
        raw = await wire.post(self.url(wire), body)
        duration_s = time.perf_counter() - began
        reply = whole_reply(raw, n)
        self._thoughts.count(sum(choice.has_thought for choice in reply.choices))
        return [
            Completion(
                text=wire.masked(choice.text),
                stop_reason=choice.stop_reason,
                prompt_tokens=reply.counts.prompt_tokens,
                cached_tokens=reply.counts.cached_tokens,
                completion_tokens=reply.counts.completion_tokens,
                duration_s=duration_s,
                seed_sent=body["seed"] if n > 1 else None,
            )
            for choice in reply.choices
        ]

    async def _streamed(self, wire: Wire, body: dict[str, Any], prepared: Prepared) -> Completion:
        """One answer, timed to its first and its last piece."""
        reply, text = StreamedReply(), GrowingText(until_json=self._sampling.stop_on_json)
        ttft_s = duration_s = None
        began = time.perf_counter()
        async with aclosing(wire.lines(self.url(wire), body)) as lines:
            async for line in lines:
                if text.add(reply.add(line)):
                    duration_s = time.perf_counter() - began
                    ttft_s = duration_s if ttft_s is None else ttft_s
                if text.is_whole and prepared.prompt_tokens is not None:
                    break  # nothing that is still to come is needed
            else:
                reply.refuse_unfinished()
        counts = reply.counts
        self._thoughts.count(reply.has_thought)
        return Completion(
            text=wire.masked(text.text),
            stop_reason="stop" if text.is_whole else reply.stop_reason,
            prompt_tokens=counts.prompt_tokens if prepared.prompt_tokens is None else prepared.prompt_tokens,
            cached_tokens=counts.cached_tokens,
            completion_tokens=None if text.n_dropped else counts.completion_tokens,
            ttft_s=ttft_s,
            duration_s=time.perf_counter() - began if duration_s is None else duration_s,
        )

    def _checked(self, prompt: Prompt, completions: list[Completion]) -> list[Completion]:
        """The same, or a refusal where the server's own count says that the prompt did not fit."""
        n_tokens = completions[0].prompt_tokens
        if n_tokens is None:
            return completions
        self._preparer.learn(prompt, n_tokens)
        refused = self._refused(n_tokens)
        if refused is None and self._was_cut(prompt, n_tokens):
            refused = Completion(stop_reason="context_overflow")
        return completions if refused is None else [refused] * len(completions)

    def _was_cut(self, prompt: Prompt, prompt_tokens: int) -> bool:
        return self.yardstick is not None and self.yardstick.was_cut(prompt, prompt_tokens, self._sampling)

    def _refused(self, prompt_tokens: int | None) -> Completion | None:
        if prompt_tokens is None or not overflows(prompt_tokens, self._sampling):
            return None
        return Completion(stop_reason="context_overflow", prompt_tokens=prompt_tokens)
