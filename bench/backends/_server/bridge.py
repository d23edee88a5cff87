"""An event loop in a thread of its own, for one thread that knows nothing about it.

In: coroutines. Out: their results, or what they hand over piece by piece. Requests stay in flight while
the one thread judges and writes. What a coroutine raises is raised in the thread that asked.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_UNREAD_LIMIT = 64
_POLL_S = 0.002

Put = Callable[[T], Awaitable[None]]


class _End:
    """Nothing more comes."""


class Bridge:
    """Started at once, closed once."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="requests", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of one coroutine; it is cancelled where the wait for it is interrupted."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, produce: Callable[[Put[T]], Coroutine[Any, Any, None]]) -> Iterator[T]:
        """What `produce` hands over, as it comes; leaving the iteration cancels it and waits for its end."""
        unread: queue.SimpleQueue[T | _End] = queue.SimpleQueue()

        async def put(item: T) -> None:
            unread.put(item)
            while unread.qsize() > _UNREAD_LIMIT:  # what nobody reads is lost with the process
                await asyncio.sleep(_POLL_S)

        future = asyncio.run_coroutine_threadsafe(produce(put), self._loop)
        future.add_done_callback(lambda _: unread.put(_End()))
        try:
            while not isinstance(item := unread.get(), _End):
                yield item
            future.result()  # raises what ended the work, where that was not its end
        finally:
            future.cancel()
            self.run(_settle())

    def close(self) -> None:
        """Stop the loop and its thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _settle() -> None:
    """Wait for what was cancelled in this loop to close what it opened."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.gather(*others, return_exceptions=True)
