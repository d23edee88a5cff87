"""HTTP over checked addresses only: one request, one connection, to the very address that was checked.

In: a request for any host. Out: the response of that host, reached at an address that passed
`addresses.checked`. The certificate is verified for the host's name. No redirect, proxy or retry here.
"""

from __future__ import annotations

import ssl

import httpx2

from bench.articles.fetch.addresses import checked

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_ADDRESSES = 3


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Resolves a host once, checks what it found and connects to nothing else."""

    def __init__(self, listed: tuple[str, ...]) -> None:
        self._listed = listed
        # no connection is kept: it would be filed under the address, and hosts that share one could share it
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        context = ssl.create_default_context()
        self._inner = httpx2.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        port = request.url.port or _DEFAULT_PORTS[request.url.scheme]
        addresses = await checked(host, port, self._listed)
        for address in addresses[:_MOST_ADDRESSES]:
            try:
                return await self._inner.handle_async_request(_at(request, address))
            except httpx2.ConnectError as error:
                failed = error
        raise failed

    async def aclose(self) -> None:
        await self._inner.aclose()


def _at(request: httpx2.Request, address: str) -> httpx2.Request:
    """The same request, to an address instead of a name; the Host header is already the name's."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
