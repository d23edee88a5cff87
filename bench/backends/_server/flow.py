"""Requests on their way to one or more endpoints, so many in flight at each, until every one is answered.

In: jobs. Out: answers, in the order they end. Each endpoint has a queue of its own and takes the next prompt
whole, so that a server sees the answers to one prompt together. One that cannot be reached, or fails again
and again, is set aside: what it has not answered goes to the others. The last one is never set aside; its
failures are answers with `error`, and whoever reads them decides when it is enough.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from bench.backends import Answer, Request
from bench.backends._server.failure import ServerError
from bench.backends._server.patience import Patience
from bench.backends._server.wire import Wire
from bench.records import Completion, Prompt

_FAILURES_IN_A_ROW = 3


@dataclass(eq=False)
class Job:
    """What one HTTP request asks for."""

    prompt: Prompt
    seeds: tuple[int, ...]
    """One a sample; more than one only where a request may ask for several answers."""
    seed_indexes: tuple[int, ...]
    failed_at: set[str] = field(default_factory=set)
    """Addresses that could not answer it."""


@dataclass(eq=False)
class Endpoint:
    """One server of an arm."""

    wire: Wire
    concurrency: int
    """Requests in flight."""
    n_answers: int = 0
    n_failures_in_a_row: int = 0
    set_aside: str | None = None
    """Why it is not used any more."""


Ask = Callable[[Endpoint, Job], Awaitable[list[Completion]]]
Put = Callable[[Answer], Awaitable[None]]


class Flow:
    """One pass over requests. Used inside one event loop, once."""

    def __init__(
        self,
        endpoints: list[Endpoint],
        requests: Iterable[Request],
        ask: Ask,
        patience: Patience,
        *,
        n_per_request: int = 1,
        one_by_one: bool = False,
    ) -> None:
        self._endpoints = [endpoint for endpoint in endpoints if endpoint.set_aside is None]
        self._queues: dict[Endpoint, deque[Job]] = {endpoint: deque() for endpoint in self._endpoints}
        self._coming = deque(requests)
        self._ask = ask
        self._patience = patience
        self._n_per_request = n_per_request
        self._n_open = sum(-(-len(request.seeds) // n_per_request) for request in self._coming)
        self._orphans: deque[Job] = deque()
        self._changed = asyncio.Event()
        self._turn = asyncio.Semaphore(1) if one_by_one else None

    async def run(self, put: Put) -> None:
        """Every answer to `put`; returns when there are no more."""
        async with asyncio.TaskGroup() as tasks:
            for endpoint in self._endpoints:
                for _ in range(endpoint.concurrency):
                    tasks.create_task(self._work(endpoint, put))

    async def _work(self, endpoint: Endpoint, put: Put) -> None:
        while (job := await self._next(endpoint)) is not None:
            completions = await self._completions(endpoint, job)
            if completions is None:
                continue
            for seed_index, completion in zip(job.seed_indexes, completions, strict=True):
                await put(Answer(job.prompt.id, seed_index, completion))
            self._n_open -= 1
            if not self._n_open:
                self._changed.set()

    async def _completions(self, endpoint: Endpoint, job: Job) -> list[Completion] | None:
        """The answers to a job; None where another endpoint will give them."""
        ask = partial(self._ask, endpoint, job)
        try:
            if self._turn is None:
                completions = await self._patience.attempt(ask)
            else:
                async with self._turn:
                    completions = await self._patience.attempt(ask)
        except ServerError as failure:
            return self._after(endpoint, job, failure)
        endpoint.n_answers += len(completions)
        endpoint.n_failures_in_a_row = 0
        return completions

    def _after(self, endpoint: Endpoint, job: Job, failure: ServerError) -> list[Completion] | None:
        """What becomes of a job that an endpoint did not answer."""
        if failure.kind == "overflow":
            refused = Completion(stop_reason="context_overflow", prompt_tokens=failure.prompt_tokens)
            return [refused] * len(job.seeds)
        reason = endpoint.wire.masked(str(failure))
        if failure.kind != "refused":  # another server would refuse it too
            job.failed_at.add(endpoint.wire.address)
            endpoint.n_failures_in_a_row += 1
            is_dead = failure.kind == "connection" or endpoint.n_failures_in_a_row >= _FAILURES_IN_A_ROW
            if is_dead and any(self._others(endpoint)):
                self._set_aside(endpoint, reason)
            if any(other.wire.address not in job.failed_at for other in self._others(endpoint)):
                self._orphans.append(job)
                self._changed.set()
                return None
        return [Completion(error=f"{endpoint.wire.address}: {reason}")] * len(job.seeds)

    def _others(self, endpoint: Endpoint) -> Iterator[Endpoint]:
        return (e for e in self._endpoints if e is not endpoint and e.set_aside is None)

    def _is_hoped_for(self, job: Job) -> bool:
        """Whether an endpoint is left that has not failed at it."""
        alive = (e for e in self._endpoints if e.set_aside is None)
        return any(e.wire.address not in job.failed_at for e in alive)

    def _set_aside(self, endpoint: Endpoint, reason: str) -> None:
        if endpoint.set_aside is None:
            endpoint.set_aside = reason
            self._orphans.extend(self._queues[endpoint])
            self._queues[endpoint].clear()
            self._changed.set()

    async def _next(self, endpoint: Endpoint) -> Job | None:
        """The next job for an endpoint; waits while another's failure may still give it one."""
        while self._n_open and endpoint.set_aside is None:
            job = self._take(endpoint)
            if job is not None:
                return job
            self._changed.clear()
            await self._changed.wait()
        self._changed.set()  # whoever waits looks again
        return None

    def _take(self, endpoint: Endpoint) -> Job | None:
        for place, job in enumerate(self._orphans):
            if endpoint.wire.address not in job.failed_at or not self._is_hoped_for(job):
                del self._orphans[place]
                return job
        own = self._queues[endpoint]
        if not own and self._coming:
            own.extend(self._jobs(self._coming.popleft()))
        fullest = own or max(self._queues.values(), key=len)
        return fullest.popleft() if fullest else None

    def _jobs(self, request: Request) -> Iterator[Job]:
        for start in range(0, len(request.seeds), self._n_per_request):
            seeds = request.seeds[start : start + self._n_per_request]
            yield Job(request.prompt, seeds, tuple(range(start, start + len(seeds))))
