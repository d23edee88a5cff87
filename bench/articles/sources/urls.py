"""A list of addresses, each of one article.

In: `articles.urls`. Out: a lead an address, in the order given. It fetches nothing itself.
"""

from __future__ import annotations

from bench.articles.sources import Failed, Get, Lead
from bench.config import ArticlesConfig
from bench.errors import ConfigError


class Source:
    """The addresses of the config."""

    def __init__(self, settings: ArticlesConfig) -> None:
        if not settings.urls:
            raise ConfigError("articles.urls: the source `urls` needs a list of addresses")
        self._urls = settings.urls

    async def leads(self, get: Get) -> list[Lead | Failed]:
        """One lead an address."""
        return [Lead(where=url, url=url) for url in self._urls]
