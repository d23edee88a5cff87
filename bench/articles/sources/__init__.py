"""What every article source offers: one file a source, each with a class `Source`.

In: the `articles` section of a config. Out: leads, each a whole text, a saved page, or an address to fetch.
A source extracts nothing and leaves nothing out but what its own limits say; `bench.articles.collect` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from bench import plugins
from bench.articles.fetch.outcome import Fetched
from bench.config import ArticlesConfig
from bench.records import Article, Entity

ROOM = "articles.sources"
FETCHED = frozenset({"yahoo", "rss", "urls"})
"""The sources that go to the network: what they give changes by itself, so a run wants it frozen."""

Get = Callable[[str], Awaitable[Fetched]]
"""Fetches one address; raises FetchError."""


@dataclass(frozen=True)
class Lead:
    """One possible article: with `article` it is there already, with `page` saved, else at `url`."""

    where: str
    """Its address, or its file and place: what a person is told."""
    article: Article | None = None
    page: bytes | None = None
    url: str | None = None
    title: str | None = None
    published_at: datetime | None = None
    entity: Entity | None = None


class Failed(NamedTuple):
    """Something that gave no lead, and why."""

    where: str
    reason: str
    text: str


class Source(Protocol):
    """The class each source module names `Source`; making one reads and fetches nothing."""

    def __init__(self, settings: ArticlesConfig) -> None: ...

    async def leads(self, get: Get) -> list[Lead | Failed]:
        """What there is, in an order that does not change by itself."""


def get(name: str, settings: ArticlesConfig | None = None) -> Source:
    """A source by name; ConfigError with the known names where there is no such file."""
    source: Source = plugins.load(ROOM, name).Source(settings or ArticlesConfig(source=name))
    return source
