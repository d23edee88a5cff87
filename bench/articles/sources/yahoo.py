"""Yahoo Finance's news of exchange symbols, by its RSS feed, several symbols at once.

In: `articles.tickers` (or the tickers of the companies). Out: a lead an item, with the company as entity. A
symbol's name comes from the config, else from yfinance where the extra `yahoo` is installed, else it is
the symbol. It reads no prices.
"""

from __future__ import annotations

import asyncio
import importlib.util
from urllib.parse import quote

from bench.articles.sources import Failed, Get, Lead
from bench.articles.sources.rss import read_feed
from bench.config import ArticlesConfig
from bench.errors import ConfigError
from bench.records import Entity

FEED = "https://feeds.finance.yahoo.com/rss/2.0/headline?s={}&region=US&lang=en-US"


class Source:
    """The news of the config's symbols."""

    def __init__(self, settings: ArticlesConfig) -> None:
        companies = [c for c in settings.all_companies if c.ticker]
        self._names = {str(c.ticker).upper(): c.name for c in companies if c.name}
        given = settings.tickers or tuple(str(c.ticker) for c in companies)
        self._tickers = tuple(dict.fromkeys(ticker.strip().upper() for ticker in given))
        if not self._tickers:
            raise ConfigError("articles.tickers: the source `yahoo` needs a list of exchange symbols")
        self._settings = settings

    async def leads(self, get: Get) -> list[Lead | Failed]:
        """The items of every symbol, symbol after symbol."""
        feeds = [self._of(ticker, get) for ticker in self._tickers]
        return [lead for leads in await asyncio.gather(*feeds) for lead in leads]

    async def _of(self, ticker: str, get: Get) -> list[Lead | Failed]:
        offline = self._settings.offline
        name = self._names.get(ticker) or (None if offline else await asyncio.to_thread(company_name, ticker))
        entity = Entity(name=name or ticker, ticker=ticker)
        return await read_feed(FEED.format(quote(ticker, safe="")), get, self._settings.max_items, entity)


def company_name(ticker: str) -> str | None:
    """A company's name as Yahoo Finance has it; None without the extra `yahoo` or where none is known."""
    if importlib.util.find_spec("yfinance") is None:
        return None
    import yfinance

    try:
        info = yfinance.Ticker(ticker).info
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    name = info.get("longName") or info.get("shortName") if isinstance(info, dict) else None
    return name if isinstance(name, str) and name.strip() else None
