"""Single calls, for whoever pays by the call and writes each one down: `bench data label`.

In: an arm, a prompt, a seed, and the id of the call. Out: one Completion, or a ServerError; nothing is
tried twice here. Made and used inside one event loop.
"""

from __future__ import annotations

import itertools

from bench.backends._server.failure import ServerError
from bench.backends._server.patience import Patience
from bench.backends._server.wire import CALL, Limits, Wire
from bench.backends.openai_api.options import Options, checked, checked_addresses, key
from bench.backends.openai_api.reply import explain
from bench.backends.openai_api.speaker import OpenAiSpeaker
from bench.records import AnswerSchema, Completion, ModelSpec, Prompt, Sampling

__all__ = ["Caller", "ServerError"]

_BYTES_PER_TOKEN = 2048
_SPARE_BYTES = 1 << 20
_IN_FLIGHT = 4


class Caller:
    """The servers of one arm, asked in turns."""

    def __init__(self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema) -> None:
        self.options: Options = checked(spec, sampling)
        self.patience = Patience(self.options.retries, self.options.longest_wait_s)
        self._secret = key(spec, self.options)
        self._speaker = OpenAiSpeaker(spec, self.options, sampling, schema)
        addresses = checked_addresses(spec, self.options)
        limits = Limits(
            self.options.connect_s,
            self.options.timeout_s,
            _SPARE_BYTES + _BYTES_PER_TOKEN * sampling.max_tokens,
        )
        self.wires = [Wire(address, self._secret, limits, explain) for address in addresses]
        self._turns = itertools.cycle(self.wires)

    @property
    def in_flight(self) -> int:
        """Calls at one time, over all of its servers."""
        return (self.options.concurrency or _IN_FLIGHT) * len(self.wires)

    async def ask(self, prompt: Prompt, seed: int, call: str) -> Completion:
        """The answer; raises ServerError."""
        token = CALL.set(call)
        try:
            wire = next(self._turns)
            return (await self._speaker.answer(wire, prompt, (seed,), alone=False))[0]
        finally:
            CALL.reset(token)

    def masked(self, text: str) -> str:
        """`text` without the key."""
        return self.wires[0].masked(text)

    async def aclose(self) -> None:
        """Close every connection."""
        for wire in self.wires:
            await wire.aclose()
