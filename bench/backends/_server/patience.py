"""When to try a request again, and how long to wait before: back-off, and Retry-After where a server says so.

In: something to try. Out: what it gave, or its last ServerError. Only failures that may pass are tried
again, and a server that asks for a longer wait than allowed is not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from bench.backends._server.failure import ServerError

T = TypeVar("T")
_FIRST_WAIT_S, _LONGEST_BACKOFF_S = 0.25, 8.0


class Patience:
    """How often and how long."""

    def __init__(self, retries: int, longest_wait_s: float) -> None:
        self._retries = retries
        self._longest_wait_s = longest_wait_s
        self._backoff = tenacity.wait_exponential(
            multiplier=_FIRST_WAIT_S, max=_LONGEST_BACKOFF_S
        ) + tenacity.wait_random(0, _FIRST_WAIT_S)

    async def attempt(self, once: Callable[[], Awaitable[T]]) -> T:
        """What `once` gives at last; raises the ServerError of the last try."""
        try:
            return await once()  # nearly always enough, and costs nothing
        except ServerError as failure:
            if not self._is_worth_a_retry(failure):
                raise
            first = failure
        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._retries),
            wait=self._wait_s,
            retry=tenacity.retry_if_exception(self._is_worth_a_retry),
            reraise=True,
        )
        await asyncio.sleep(_first_wait_s(first))

        async def again() -> T:  # tenacity awaits what is written as a coroutine function, and nothing else
            return await once()

        return await attempts(again)

    def _is_worth_a_retry(self, failure: BaseException) -> bool:
        return (
            self._retries > 0
            and isinstance(failure, ServerError)
            and failure.may_pass
            and (failure.retry_after_s or 0) <= self._longest_wait_s
        )

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.retry_after_s if isinstance(failure, ServerError) else None
        return self._backoff(state) if asked is None else asked


def _first_wait_s(failure: ServerError) -> float:
    """Seconds before the second try."""
    return _FIRST_WAIT_S if failure.retry_after_s is None else failure.retry_after_s
