"""When a request is tried again."""

import asyncio

import pytest

from bench.backends._server.failure import ServerError
from bench.backends._server.patience import Patience


class Flaky:
    """Fails so often, then answers."""

    def __init__(self, n_failures, **fields) -> None:
        self.n_left = n_failures
        self.n_asked = 0
        self._fields = {"kind": "busy", "retry_after_s": 0.0, **fields}

    async def answer(self, text: str) -> str:
        self.n_asked += 1
        self.n_left -= 1
        if self.n_left >= 0:
            raise ServerError(text="not now", **self._fields)
        return text


def attempt(flaky, retries=3, longest_wait_s=60):
    # a function that gives a coroutine, not a coroutine function: both have to be awaited
    return asyncio.run(Patience(retries, longest_wait_s).attempt(lambda: flaky.answer("well")))


def test_what_passes_is_answered_at_last():
    flaky = Flaky(3)
    assert attempt(flaky) == "well"
    assert flaky.n_asked == 4


@pytest.mark.parametrize(
    ("fields", "retries", "n_asked"),
    [
        ({}, 2, 3),
        ({}, 0, 1),
        ({"kind": "refused"}, 3, 1),
        ({"kind": "garbled"}, 3, 1),
        ({"retry_after_s": 61.0}, 3, 1),
    ],
)
def test_what_does_not_is_given_up(fields, retries, n_asked):
    flaky = Flaky(9, **fields)
    with pytest.raises(ServerError, match="not now"):
        attempt(flaky, retries)
    assert flaky.n_asked == n_asked
