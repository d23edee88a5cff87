"""How fast one host is asked: a least time between two starts, and the pauses it asked for.

In: hosts, one turn each time. Out: a wait. It sends nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

_AT_ONCE = 6


class Pace:
    """Turns for many hosts; each host's turns come one by one, those of different hosts side by side."""

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s
        self._asked_s: dict[str, float] = {}
        self._next: dict[str, float] = defaultdict(float)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._open: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE))

    def at_once(self, host: str) -> asyncio.Semaphore:
        """Held while a request to this host is open, so that a slow host is not asked more and more."""
        return self._open[host]

    def slow_down(self, host: str, delay_s: float) -> None:
        """The host asks for this much between two requests."""
        self._asked_s[host] = delay_s

    def pause(self, host: str, seconds: float) -> None:
        """The host asks for nothing to come for so long."""
        self._next[host] = max(self._next[host], asyncio.get_running_loop().time() + seconds)

    async def turn(self, host: str) -> None:
        """Wait until a request to this host may start."""
        loop = asyncio.get_running_loop()
        async with self._locks[host]:
            while (wait_s := self._next[host] - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            self._next[host] = loop.time() + max(self._least_s, self._asked_s.get(host, 0.0))
