"""Whom a text speaks of: companies by name, alias and exchange symbol.

In: a text and companies. Out: paragraphs, counts. Names are matched as whole words whatever their case; a
symbol only in capitals, and a short one only where it is written as a symbol, because `A` and `IT` are words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from bench.config import CompanyConfig
from bench.records import Entity

_LEGAL_FORM = re.compile(
    r"[,\s]+(?:inc|incorporated|corp|corporation|co|company|ltd|limited|plc|ag|se|sa|s\.a|nv|n\.v|gmbh|kgaa|"
    r"llc|lp|holdings?|group|spa|s\.p\.a|ab|asa|oyj|kk)\.?$",
    re.IGNORECASE,
)
_SHORTEST_NAME = 3
_SHORTEST_BARE_SYMBOL = 3


def company_of(entity: Entity) -> CompanyConfig:
    """An entity as a company without further aliases."""
    return CompanyConfig(name=entity.name, ticker=entity.ticker)


def entity_of(company: CompanyConfig) -> Entity:
    """A company as the entity that a prompt names."""
    return Entity(name=company.name or str(company.ticker), ticker=company.ticker)


def mentions(text: str, company: CompanyConfig) -> int:
    """How often a text speaks of a company."""
    return len(_pattern(company).findall(_plain(text)))


def relevant_text(text: str, company: CompanyConfig) -> str:
    """The paragraphs that speak of a company, one a line; "" where none does."""
    return "\n".join(line for line in text.split("\n") if mentions(line, company))


def most_mentioned(text: str, companies: tuple[CompanyConfig, ...]) -> CompanyConfig | None:
    """The company that a text speaks of most, the first of equals; None where it speaks of none."""
    counts = [(mentions(text, company), -place) for place, company in enumerate(companies)]
    n_most, place = max(counts, default=(0, 0))
    return companies[-place] if n_most else None


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("’", "'")


@lru_cache(maxsize=256)
def _pattern(company: CompanyConfig) -> re.Pattern[str]:
    names: set[str] = set()
    for given in (company.name, *company.aliases):
        name = " ".join(_plain(given).split())
        if name and name != company.ticker:
            names |= {name, _LEGAL_FORM.sub("", name)}
    words = [
        r"\s+".join(map(re.escape, name.split()))
        for name in sorted(names, key=lambda n: (-len(n), n))
        if len(name) >= _SHORTEST_NAME or name in {company.name, *company.aliases}
    ]
    parts = [rf"(?i:(?<!\w)(?:{'|'.join(words)})(?!\w))"] if words else []
    if company.ticker and company.ticker.strip():
        parts.append(_symbol(company.ticker.strip().upper()))
    return re.compile("|".join(parts))


def _symbol(ticker: str) -> str:
    """A symbol written as one: `$F`, `(NYSE: F)`, `(F)`; with three letters or more also bare, `AAPL`."""
    bare = re.escape(ticker)
    written = rf"\$\s?{bare}(?!\w)|\((?:[A-Za-z .]{{2,20}}:\s?)?{bare}\)|[A-Z]{{3,8}}:\s?{bare}(?!\w)"
    is_word = len(ticker) < _SHORTEST_BARE_SYMBOL
    return written if is_word else rf"{written}|(?<![\w.]){bare}(?!\w)"
