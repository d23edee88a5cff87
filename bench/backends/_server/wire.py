"""One client per endpoint: JSON out, bytes back, everything bounded.

In: a path and a body. Out: the whole reply, or its lines as they come. A reply is bounded in bytes and
in time, compressed replies and redirects are refused (the key would travel with them), and no failure's
text holds the key. It decides nothing about what a reply means and tries nothing twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import httpx2

from bench import __version__
from bench.backends._server.address import is_loopback
from bench.backends._server.failure import Kind, ServerError, masked, one_line
from bench.retry_after import retry_after_s

_BUSY = {429, 503}
_MAX_ERROR_BYTES = 64 * 1024
CALL: ContextVar[str | None] = ContextVar("call", default=None)
"""Which call is being made, told as Idempotency-Key: a server that knows it gives its answer again."""

Explain = Callable[[int, bytes], ServerError | None]
"""What a server's own error body means; None where it says nothing special."""


class Limits(NamedTuple):
    """How long and how much; seconds and bytes."""

    connect_s: float
    total_s: float
    max_bytes: int


class Wire:
    """The connections to one endpoint. Made and used inside one event loop."""

    def __init__(self, address: str, key: str | None, limits: Limits, explain: Explain) -> None:
        self.address = address
        self._key = key
        self._limits = limits
        self._explain = explain
        headers = {
            "User-Agent": f"bench/{__version__}",
            "Accept": "application/json, text/event-stream, application/x-ndjson",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx2.AsyncClient(
            headers=headers,
            follow_redirects=False,
            trust_env=not is_loopback(address),
            timeout=httpx2.Timeout(limits.total_s, connect=limits.connect_s, pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=512),
        )

    async def get(self, url: str) -> bytes:
        """The body of a GET."""
        async with self._reply("GET", url, None) as response:
            return await self._whole(response)

    async def upload(self, url: str, name: str, content: bytes, fields: dict[str, str]) -> bytes:
        """The body of a POST of a file, as a form with `fields` sends it."""
        boundary = hashlib.sha256(content).hexdigest()[:40]
        form = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
            for field, value in fields.items()
        )
        disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        form += f"--{boundary}\r\n{disposition}\r\nContent-Type: application/jsonl\r\n\r\n".encode()
        form += content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        async with self._sent("POST", url, form, headers) as response:
            return await self._whole(response)

    async def post(self, url: str, body: dict[str, Any]) -> bytes:
        """The body of a POST."""
        async with self._reply("POST", url, body) as response:
            return await self._whole(response)

    async def lines(self, url: str, body: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        """The lines of a streamed reply, each as soon as its newline is there; empty ones left out.

        A character whose bytes come in two pieces is whole in its line.
        """
        async with self._reply("POST", url, body) as response:
            rest, n_bytes = b"", 0
            async for piece in response.aiter_raw():
                n_bytes += len(piece)
                self._refuse_more_than(n_bytes)
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    if line := line.strip():
                        yield line
            if rest := rest.strip():
                yield rest

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    def masked(self, text: str) -> str:
        """`text` without the key."""
        return masked(text, self._key)

    def failure(self, kind: Kind, text: str, **fields: Any) -> ServerError:
        """A ServerError without the key."""
        return ServerError(kind, self.masked(text), **fields)

    @asynccontextmanager
    async def _reply(
        self, method: str, url: str, body: dict[str, Any] | None
    ) -> AsyncIterator[httpx2.Response]:
        """An open reply to a JSON body."""
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        async with self._sent(method, url, content, {}) as response:
            yield response

    @asynccontextmanager
    async def _sent(
        self, method: str, url: str, content: bytes | None, headers: dict[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        """An open reply with status 200; every way to fail becomes a ServerError."""
        call = CALL.get()
        if call is not None and method == "POST":
            headers = headers | {"Idempotency-Key": call}
        request = self._http.build_request(method, url, content=content, headers=headers)
        try:
            async with asyncio.timeout(self._limits.total_s):
                response = await self._http.send(request, stream=True)
                try:
                    await self._refuse_unusable(response)
                    yield response
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise self.failure("connection", f"no whole answer within {self._limits.total_s:g} s") from error
        except httpx2.ConnectTimeout as error:
            text = f"no connection within {self._limits.connect_s:g} s"
            raise self.failure("connection", text) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
            raise self.failure("connection", f"{str(error) or type(error).__name__}") from error

    async def _refuse_unusable(self, response: httpx2.Response) -> None:
        if response.status_code != 200:
            raise await self._refusal(response)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise self.failure("garbled", "it sends a compressed answer, which was not asked for")

    async def _whole(self, response: httpx2.Response) -> bytes:
        pieces, n_bytes = [], 0
        async for piece in response.aiter_raw():
            n_bytes += len(piece)
            self._refuse_more_than(n_bytes)
            pieces.append(piece)
        return b"".join(pieces)

    def _refuse_more_than(self, n_bytes: int) -> None:
        if n_bytes > self._limits.max_bytes:
            raise self.failure("garbled", f"its answer has more than {self._limits.max_bytes:,} bytes")

    async def _refusal(self, response: httpx2.Response) -> ServerError:
        """What a status other than 200 means."""
        status = response.status_code
        if response.is_redirect:
            return self.failure(
                "refused", f"HTTP {status}: it redirects elsewhere; give the address itself", status=status
            )
        body = await _beginning(response)
        special = self._explain(status, body)
        if special is not None:
            n_tokens = special.prompt_tokens
            return self.failure(special.kind, str(special), status=status, prompt_tokens=n_tokens)
        asked = retry_after_s(response.headers.get("retry-after")) if status in _BUSY else None
        kind: Kind = "busy" if status in _BUSY else "broken" if status >= 500 or status == 408 else "refused"
        said = error_text(body)
        return self.failure(
            kind, f"HTTP {status}" + (f": {said}" if said else ""), status=status, retry_after_s=asked
        )


async def _beginning(response: httpx2.Response) -> bytes:
    """The first bytes of an error's body; what comes after a few is of no use."""
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) >= _MAX_ERROR_BYTES:
            break
    return body[:_MAX_ERROR_BYTES]


def parsed(body: bytes) -> Any:
    """The JSON of a reply; ServerError where it is none, however it is broken."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ServerError("garbled", f"it answers what is not JSON: {one_line(repr(body[:80]))}") from error


def error_text(body: bytes) -> str:
    """What an error's body says, in the forms that servers use; the text itself where it is no JSON."""
    try:
        found = parsed(body)
    except ServerError:
        return body.decode("utf-8", "replace")
    for name in ("error", "detail", "message"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return found if isinstance(found, str) else json.dumps(found)
