"""One opened arm behind a socket: requests in, answers out, however many endpoints it has.

In: a Speaker, which knows one kind of server's language. Out: a Session as every backend has it. It keeps
the endpoints full over articles, so many requests in flight at each, and says in `loaded` what became of
every endpoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

from bench.backends import Answer, Request, StopTokens, TokenProbability
from bench.backends._server.bridge import Bridge
from bench.backends._server.failure import ServerError
from bench.backends._server.flow import Endpoint, Flow, Job
from bench.backends._server.patience import Patience
from bench.backends._server.wire import Wire
from bench.errors import BackendError, NoArticlesError
from bench.records import Completion, LoadedModel, Prompt

T = TypeVar("T")


class Speaker(Protocol):
    """One kind of server's language."""

    async def answer(
        self, wire: Wire, prompt: Prompt, seeds: tuple[int, ...], *, alone: bool
    ) -> list[Completion]:
        """One completion per seed; raises ServerError. `alone`: timed, and nothing shared with others."""

    def pieces(self, wire: Wire, prompt: Prompt, seed: int) -> AsyncIterator[str]:
        """The text of one answer as it comes; raises ServerError."""

    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the answers that were given."""


class Inspector(Protocol):
    """What one kind of server tells about how it reads a prompt; None for what it does not."""

    async def rendered(self, wire: Wire, prompt: Prompt) -> str | None:
        """The conversation as the text the model reads; raises ServerError."""

    async def token_ids(self, wire: Wire, prompt: Prompt) -> tuple[int, ...] | None:
        """That text as tokens; raises ServerError."""

    async def stop_tokens(self, wire: Wire) -> StopTokens | None:
        """The tokens that end an answer; raises ServerError."""

    async def first_logprobs(self, wire: Wire, prompt: Prompt, k: int) -> tuple[TokenProbability, ...] | None:
        """The k likeliest first tokens of an answer; raises ServerError."""


class Manner(NamedTuple):
    """How requests are made."""

    patience: Patience
    n_per_request: int = 1


class ServerSession:
    """Used by one thread, closed once."""

    def __init__(
        self,
        loaded: LoadedModel,
        speaker: Speaker,
        inspector: Inspector,
        endpoints: list[Endpoint],
        bridge: Bridge,
        manner: Manner,
    ) -> None:
        self.loaded = loaded
        """What was found; what became of the endpoints is final once the session is closed."""
        self._speaker = speaker
        self._inspector = inspector
        self._endpoints = endpoints
        self._bridge: Bridge | None = bridge
        self._manner = manner

    def generate(self, requests: Iterable[Request], *, reuse: bool = True) -> Iterator[Answer]:
        """One Answer per seed; all requests are read before the first."""
        bridge, wanted = self._opened(), list(requests)

        async def ask(endpoint: Endpoint, job: Job) -> list[Completion]:
            return await self._speaker.answer(endpoint.wire, job.prompt, job.seeds, alone=not reuse)

        async def produce(put: Callable[[Answer], Awaitable[None]]) -> None:
            patience, n_per_request = self._manner
            n = n_per_request if reuse else 1
            flow = Flow(self._endpoints, wanted, ask, patience, n_per_request=n, one_by_one=not reuse)
            await flow.run(put)

        return bridge.iterate(produce)

    def stream(self, request: Request) -> Iterator[str]:
        """The text of one answer to the request's first seed, as the server sends it."""
        bridge, endpoint = self._opened(), self._endpoint()

        async def produce(put: Callable[[str], Awaitable[None]]) -> None:
            async for piece in self._speaker.pieces(endpoint.wire, request.prompt, request.seeds[0]):
                await put(piece)

        try:
            yield from bridge.iterate(produce)
        except ServerError as failure:
            if failure.kind == "overflow":
                raise NoArticlesError(
                    "the prompt does not fit the context; shorten the text or raise sampling.context_tokens"
                ) from failure
            raise _told_as_mistake(endpoint, failure) from failure

    def rendered(self, prompt: Prompt) -> str | None:
        """The conversation as the text the model reads, where the server tells it."""
        return self._inspected(lambda wire: self._inspector.rendered(wire, prompt))

    def token_ids(self, prompt: Prompt) -> tuple[int, ...] | None:
        """That text as tokens, where the server tells them."""
        return self._inspected(lambda wire: self._inspector.token_ids(wire, prompt))

    def stop_tokens(self) -> StopTokens | None:
        """The tokens that end an answer, where the server tells them."""
        return self._inspected(self._inspector.stop_tokens)

    def first_logprobs(self, prompt: Prompt, k: int) -> tuple[TokenProbability, ...] | None:
        """The k likeliest first tokens of an answer, where the server tells them."""
        return self._inspected(lambda wire: self._inspector.first_logprobs(wire, prompt, k))

    def _inspected(self, ask: Callable[[Wire], Coroutine[Any, Any, T]]) -> T:
        bridge, endpoint = self._opened(), self._endpoint()

        async def asked() -> T:
            return await self._manner.patience.attempt(lambda: ask(endpoint.wire))

        try:
            return bridge.run(asked())
        except ServerError as failure:
            raise _told_as_mistake(endpoint, failure) from failure

    def _endpoint(self) -> Endpoint:
        """One that answers; which one does not matter, as all have the same model."""
        return next(e for e in self._endpoints if e.set_aside is None)

    def close(self) -> None:
        """Close every connection. Closing twice does nothing."""
        bridge, self._bridge = self._bridge, None
        if bridge is None:
            return
        close(bridge, self._endpoints)
        details = {**self.loaded.details, "endpoints": [_told(endpoint) for endpoint in self._endpoints]}
        lost = [endpoint for endpoint in self._endpoints if endpoint.set_aside is not None]
        notes = tuple(
            f"{e.wire.address} was set aside, its work went to the others: {e.set_aside}" for e in lost
        )
        notes += self._speaker.notes()
        self.loaded = self.loaded.model_copy(update={"details": details, "notes": notes})

    def _opened(self) -> Bridge:
        if self._bridge is None:
            raise BackendError("this session is closed; open the arm again")
        return self._bridge


def _told_as_mistake(endpoint: Endpoint, failure: ServerError) -> BackendError:
    return BackendError(f"{endpoint.wire.address}: {endpoint.wire.masked(str(failure))}")


def close(bridge: Bridge, endpoints: list[Endpoint]) -> None:
    """Close every connection and the loop they lived in."""
    for endpoint in endpoints:
        bridge.run(endpoint.wire.aclose())
    bridge.close()


def _told(endpoint: Endpoint) -> dict[str, Any]:
    """What the manifest says about an endpoint."""
    return {
        "address": endpoint.wire.address,
        "in_flight": endpoint.concurrency,
        "n_answers": endpoint.n_answers,
        "set_aside": endpoint.set_aside,
    }
