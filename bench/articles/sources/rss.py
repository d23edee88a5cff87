"""Any RSS, Atom or JSON feed, at an address or in a file.

In: `articles.feeds`. Out: a lead an item: the address it points to, or the text it carries itself where it
points nowhere. The newest `max_items` of each feed are taken. A feed that cannot be read is one line in the
outcome and costs the others nothing.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from bench.articles.feeds import FeedError, Item, parse_feed
from bench.articles.fetch.outcome import FetchError
from bench.articles.sources import Failed, Get, Lead
from bench.config import ArticlesConfig
from bench.errors import ConfigError
from bench.records import Entity

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class Source:
    """The feeds of the config."""

    def __init__(self, settings: ArticlesConfig) -> None:
        if not settings.feeds:
            raise ConfigError("articles.feeds: the source `rss` needs a list of feeds")
        self._settings = settings

    async def leads(self, get: Get) -> list[Lead | Failed]:
        """The items of all feeds, feed after feed."""
        feeds = [read_feed(feed, get, self._settings.max_items) for feed in self._settings.feeds]
        return [lead for leads in await asyncio.gather(*feeds) for lead in leads]


async def read_feed(
    feed: str, get: Get, max_items: int | None, entity: Entity | None = None
) -> list[Lead | Failed]:
    """The leads of one feed, or the one reason why there are none."""
    try:
        items = await _items(feed, get)
    except (FetchError, FeedError) as error:
        reason = error.reason if isinstance(error, FetchError) else "feed"
        return [Failed(feed, reason, str(error))]
    if not items:
        return [Failed(feed, "feed", "there are no items in it")]
    return [_lead(item, feed, entity) for item in _newest(items, max_items)]


async def _items(feed: str, get: Get) -> list[Item]:
    if feed.startswith(("http://", "https://")):
        page = await get(feed)
        return parse_feed(page.content, page.final_url, page.content_type)
    try:
        content = await asyncio.to_thread(Path(feed).expanduser().read_bytes)
    except OSError as error:
        raise FeedError(f"cannot be read: {error.strerror}") from error
    return parse_feed(content)


def _newest(items: list[Item], limit: int | None) -> list[Item]:
    """The newest so many, in the feed's own order."""
    if limit is None or len(items) <= limit:
        return items
    newest = sorted(items, key=lambda item: item.published_at or _LONG_AGO, reverse=True)[:limit]
    return [item for item in items if any(item is kept for kept in newest)]


def _lead(item: Item, feed: str, entity: Entity | None) -> Lead:
    return Lead(
        where=item.url or f"{feed} ({item.title or 'an item without title and address'})",
        url=item.url,
        page=item.html.encode("utf-8") if item.html and not item.url else None,
        title=item.title,
        published_at=item.published_at,
        entity=entity,
    )
