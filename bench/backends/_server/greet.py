"""Whether anything answers where an arm looks; for `bench doctor`, which asks briefly and changes nothing.

In: wires and one question. Out: what the servers said; BackendError with what to start where none did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bench.backends._server.failure import ServerError
from bench.backends._server.wire import Wire
from bench.errors import BackendError

_PATIENCE_S = 5.0


def first_words(wires: Sequence[Wire], ask: Callable[[Wire], Awaitable[str]], remedy: str) -> str:
    """What every server said, in one line."""
    return asyncio.run(_first_words(wires, ask, remedy))


async def _first_words(wires: Sequence[Wire], ask: Callable[[Wire], Awaitable[str]], remedy: str) -> str:
    async def heard(wire: Wire) -> tuple[bool, str]:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return True, f"{wire.address} {await ask(wire)}"
        except ServerError as failure:
            return False, f"{wire.address}: {wire.masked(str(failure))}"
        except TimeoutError:
            return False, f"{wire.address}: no answer within {_PATIENCE_S:g} s"
        finally:
            await wire.aclose()

    found = await asyncio.gather(*(heard(wire) for wire in wires))
    text = "; ".join(said for _, said in found)
    if not any(answers for answers, _ in found):
        raise BackendError(f"no server answers ({text}); {remedy}")
    return text
