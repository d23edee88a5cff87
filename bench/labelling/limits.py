"""How fast a labeller may be asked: so many requests and tokens in any 60 seconds.

In: what a call will take. Out: the moment it may be sent, in the order of asking. What was taken is
corrected when the server has told the real number. A call larger than a minute's tokens goes alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from bench.datasets.labellers import Limits

WINDOW_S = 60.0


class Taken:
    """What one call took."""

    def __init__(self, at: float, n_tokens: int) -> None:
        self.at = at
        self.n_tokens = n_tokens


class Throttle:
    """One labeller's calls. Used inside one event loop."""

    def __init__(
        self,
        limits: Limits,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = limits
        self._now, self._sleep = now, sleep
        self._taken: deque[Taken] = deque()
        self._turn = asyncio.Lock()

    async def admit(self, n_tokens: int) -> Taken:
        """Wait until a call of so many tokens may be sent."""
        async with self._turn:
            while (wait_s := self._wait_s(n_tokens)) > 0:
                await self._sleep(wait_s)
            taken = Taken(self._now(), n_tokens)
            self._taken.append(taken)
            return taken

    def _wait_s(self, n_tokens: int) -> float:
        now = self._now()
        while self._taken and self._taken[0].at <= now - WINDOW_S:
            self._taken.popleft()
        if not self._taken:
            return 0.0
        most_requests, most_tokens = self._limits.requests_per_min, self._limits.tokens_per_min
        is_full = most_requests is not None and len(self._taken) >= most_requests
        held = sum(taken.n_tokens for taken in self._taken)
        is_full = is_full or (most_tokens is not None and held + n_tokens > most_tokens)
        return max(self._taken[0].at + WINDOW_S - now, 0.001) if is_full else 0.0
