"""Fetching: pages and feeds, politely, within limits, and never from where it may not.

In: addresses. Out: documents, or a FetchError that says in one line why not. Every hop of a redirect goes
through the same checks: http(s) only, a public or listed address, robots.txt, the host's pace. The time, the
decompressed size and the number of hops are bounded. It reads nothing of what it fetches.
"""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx2
import tenacity
from protego import Protego

from bench import __version__
from bench.articles.fetch.cache import Cache
from bench.articles.fetch.outcome import Fetched, FetchError
from bench.articles.fetch.pace import Pace
from bench.articles.fetch.transport import CheckedTransport
from bench.config import FetchConfig
from bench.retry_after import retry_after_s

ROBOTS_NAME = "bench"
_MOST_HOPS = 8
_MOST_ENCODINGS = 2
_ENCODINGS = {"gzip", "x-gzip", "deflate", "identity"}
_ROBOTS_BYTES = 512_000
_LONGEST_CRAWL_DELAY_S = 30.0
_LONGEST_URL = 4_000
_PASSING = {408, 429, 500, 502, 503, 504}
_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,application/feed+json;q=0.9,*/*;q=0.5"
_NOT_TEXT = ("image/", "audio/", "video/", "font/", "application/pdf", "application/zip")


class Client:
    """Use as an asynchronous context manager; one serves any number of addresses at once."""

    def __init__(self, settings: FetchConfig, *, offline: bool = False) -> None:
        self._settings = settings
        self._offline = offline
        self._cache = Cache(Path(settings.cache).expanduser() if settings.cache else None)
        self._pace = Pace(settings.per_host_s)
        self._robots: dict[str, asyncio.Task[Protego]] = {}
        self._pages: dict[str, asyncio.Task[Fetched]] = {}
        self.user_agent = (
            settings.user_agent or f"{ROBOTS_NAME}/{__version__} (collects news articles; obeys robots.txt)"
        )

    async def __aenter__(self) -> Self:
        timeout = httpx2.Timeout(self._settings.connect_s, pool=None)
        headers = {"User-Agent": self.user_agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate"}
        transport = CheckedTransport(self._settings.allow_hosts)
        self._http = httpx2.AsyncClient(
            transport=transport, timeout=timeout, headers=headers, follow_redirects=False, trust_env=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, url: str) -> Fetched:
        """One document, from the cache where it is fresh there; each address is asked for once."""
        if url not in self._pages:
            self._pages[url] = asyncio.create_task(self._get(url))
        return await self._pages[url]

    async def _get(self, url: str) -> Fetched:
        kept = self._cache.get(url)
        if self._offline:
            if kept is None:
                raise FetchError("not_cached", "it is not in the cache; fetch it once without offline")
            return kept
        limit = timedelta(hours=self._settings.cache_hours)
        if kept is not None and datetime.now(UTC) - kept.fetched_at < limit:
            return kept
        page = await self._follow(url, kept)
        self._cache.put(page)
        return page

    async def _follow(self, url: str, kept: Fetched | None) -> Fetched:
        """The document at the end of the redirects."""
        at = url
        for _ in range(_MOST_HOPS):
            target = _checked_url(at)
            if not (await self._robots_of(target)).can_fetch(at, ROBOTS_NAME):
                raise FetchError("robots", f"robots.txt of {target.host} forbids it")
            validators = _validators(kept, at)
            answer = await self._patiently(target, validators, self._settings.max_bytes)
            if isinstance(answer, str):
                at = urljoin(at, answer)
                continue
            if answer is None:
                if kept is None or not validators:
                    raise FetchError("status", "HTTP 304 to a question that was not asked")
                return dataclasses.replace(kept, fetched_at=datetime.now(UTC))
            return dataclasses.replace(answer, url=url, final_url=at)
        raise FetchError("redirects", f"more than {_MOST_HOPS} redirects")

    # ------------------------------------------------------------ robots.txt

    async def _robots_of(self, url: httpx2.URL) -> Protego:
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        if origin not in self._robots:
            self._robots[origin] = asyncio.create_task(self._read_robots(origin))
        return await self._robots[origin]

    async def _read_robots(self, origin: str) -> Protego:
        """The rules of a host. None given (4xx) allows all; a host that fails (5xx) allows nothing yet."""
        at = f"{origin}/robots.txt"
        try:
            for _ in range(_MOST_HOPS):
                answer = await self._patiently(_checked_url(at), {}, _ROBOTS_BYTES)
                if not isinstance(answer, str):
                    break
                at = urljoin(at, answer)
            text = answer.content.decode("utf-8", "replace") if isinstance(answer, Fetched) else ""
        except FetchError as error:
            if error.reason == "status" and not error.is_passing:
                text = ""
            elif error.reason in {"status", "too_large", "timeout", "retry_after"}:
                raise FetchError("robots", f"robots.txt of {origin} cannot be read: {error}") from error
            else:
                raise
        rules = Protego.parse(text)
        delay = rules.crawl_delay(ROBOTS_NAME)
        if delay:
            host = httpx2.URL(origin).netloc.decode("ascii")
            self._pace.slow_down(host, min(float(delay), _LONGEST_CRAWL_DELAY_S))
        return rules

    # ------------------------------------------------------------ one request

    async def _patiently(
        self, url: httpx2.URL, headers: dict[str, str], max_bytes: int
    ) -> Fetched | str | None:
        """One hop, tried again where the failure may pass; waits as long as the server asks."""
        backoff = tenacity.wait_exponential(multiplier=0.5, max=8) + tenacity.wait_random(0, 0.5)

        def wait_s(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after_s if isinstance(error, FetchError) else None
            if asked is not None:
                self._pace.pause(url.netloc.decode("ascii"), asked)
                return asked
            return backoff(state)

        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(1 + self._settings.retries),
            wait=wait_s,
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, FetchError) and e.is_passing),
            reraise=True,
        )
        return await attempts(self._once, url, headers, max_bytes)

    async def _once(self, url: httpx2.URL, headers: dict[str, str], max_bytes: int) -> Fetched | str | None:
        """One request: a document, the address of a redirect, or None where nothing changed."""
        host = url.netloc.decode("ascii")
        async with self._pace.at_once(host):
            await self._pace.turn(host)
            try:
                async with asyncio.timeout(self._settings.total_s):
                    async with self._http.stream("GET", url, headers=headers) as response:
                        return await self._read(response, max_bytes)
            except TimeoutError as error:
                text = f"not complete after {self._settings.total_s:g} s"
                raise FetchError("timeout", text) from error
            except httpx2.TimeoutException as error:
                text = f"no bytes for {self._settings.connect_s:g} s"
                raise FetchError("timeout", text, is_passing=True) from error
            except httpx2.DecodingError as error:
                raise FetchError("encoding", "its compressed bytes are damaged") from error
            except (httpx2.HTTPError, OSError) as error:
                text = f"the connection failed: {' '.join(str(error).split()) or type(error).__name__}"
                raise FetchError("network", text, is_passing=True) from error

    async def _read(self, response: httpx2.Response, max_bytes: int) -> Fetched | str | None:
        if response.status_code == 304:
            return None
        if response.is_redirect and "location" in response.headers:
            return response.headers["location"]
        if response.status_code != 200:
            raise self._refusal(response)
        content_type: str | None = response.headers.get("content-type")
        kind = (content_type or "").partition(";")[0].strip().lower()
        if kind.startswith(_NOT_TEXT):
            raise FetchError("content_type", f"it is {kind}, not a page")
        _check_encodings(response.headers.get("content-encoding", ""))
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > max_bytes:
                raise FetchError("too_large", f"larger than {max_bytes:,} bytes")
        return Fetched(
            url=str(response.url),
            final_url=str(response.url),
            content=bytes(body),
            content_type=content_type,
            fetched_at=datetime.now(UTC),
            etag=response.headers.get("etag"),
            last_modified=response.headers.get("last-modified"),
        )

    def _refusal(self, response: httpx2.Response) -> FetchError:
        status = response.status_code
        asked = retry_after_s(response.headers.get("retry-after")) if status in {429, 503} else None
        if asked is not None and asked > self._settings.longest_wait_s:
            return FetchError(
                "retry_after", f"HTTP {status}: the server asks to wait {asked:.0f} s; try later"
            )
        text = f"HTTP {status} {response.reason_phrase}".strip()
        return FetchError("status", text, is_passing=status in _PASSING, retry_after_s=asked)


def _checked_url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchError("scheme", "it is not an address") from error
    if url.scheme not in {"http", "https"}:
        raise FetchError("scheme", f"{url.scheme or 'no'} scheme; only http and https are fetched")
    if not url.host or len(text) > _LONGEST_URL:
        raise FetchError("scheme", "it is not an address")
    return url.copy_with(username=None, password=None, fragment=None)


def _check_encodings(header: str) -> None:
    names = [name.strip().lower() for name in header.split(",") if name.strip()]
    unknown = [name for name in names if name not in _ENCODINGS]
    if unknown or len(names) > _MOST_ENCODINGS:
        found = unknown[0] if unknown else f"{len(names)} times over"
        raise FetchError("encoding", f"compressed as {found}, which was not asked for")


def _validators(kept: Fetched | None, at: str) -> dict[str, str]:
    """The headers that let a server say that nothing changed; only where the kept page came from."""
    if kept is None or kept.final_url != at:
        return {}
    pairs = {"If-None-Match": kept.etag, "If-Modified-Since": kept.last_modified}
    return {name: value for name, value in pairs.items() if value}
