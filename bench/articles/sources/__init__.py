"""What every article source offers: one file a source, each with a class `Source`.

In: a source's name. Out: the source. A source freezes nothing and filters nothing; what it gives is
what the next step gets.
"""

from __future__ import annotations

from typing import Protocol

from bench import plugins
from bench.records import Article

ROOM = "articles.sources"


class Source(Protocol):
    """The class each source module names `Source`; making one reads and fetches nothing."""

    def articles(self) -> list[Article]:
        """The articles, each id once, in an order that does not change by itself."""


def get(name: str) -> Source:
    """A source by name; ConfigError with the known names where there is no such file."""
    source: Source = plugins.load(ROOM, name).Source()
    return source
