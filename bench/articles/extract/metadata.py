"""What a page says of itself: its title and when it was published.

In: a parsed page, before anything is cut out of it. Out: the title, its other wordings (a text must not
begin with them again), the date with time zone, and the body that JSON-LD gives. What is absent is None;
a date that is impossible or in the future is absent. It reads no main text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

import htmldate
from lxml.html import HtmlElement

_LONGEST_TITLE = 400
_SITE_SUFFIX = re.compile(r"\s+[|–—·•«»:-]{1,2}\s+[^|–—·•«»]{2,40}$")
_TITLE_META = (
    "og:title",
    "twitter:title",
    "headline",
    "title",
    "dc.title",
    "parsely-title",
    "sailthru.title",
)
_DATE_META = (
    "article:published_time", "og:article:published_time", "article:published", "datepublished",
    "parsely-pub-date", "sailthru.date", "pubdate", "publishdate", "publish-date", "publish_date",
    "published_at",
    "dc.date.issued", "dc.date", "dcterms.created", "dcterms.date", "date", "cxenseparse:recs:publishtime",
)  # fmt: skip
_YEAR_FROM = 1990


@dataclass(frozen=True)
class Metadata:
    """Title, date and the publisher's own machine-readable body."""

    title: str | None
    other_titles: tuple[str, ...]
    published_at: datetime | None
    body: str | None
    is_article: bool
    """Whether JSON-LD or OpenGraph call the page an article."""


def metadata_of(tree: HtmlElement, url: str | None) -> Metadata:
    """The page's own words about itself."""
    meta = _meta(tree)
    records = list(_json_ld(tree))
    articles = [r for r in records if _is_article(r)]
    wordings = list(dict.fromkeys(filter(None, map(_line, _titles(tree, meta, articles)))))
    return Metadata(
        title=_best_title(wordings, tree),
        other_titles=tuple(wordings),
        published_at=_published(tree, meta, articles or records, url),
        body=_longest_body(articles),
        is_article=bool(articles) or meta.get("og:type", "").lower() == "article",
    )


def _meta(tree: HtmlElement) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop")
        content = element.get("content")
        if name and content and content.strip():
            found.setdefault(name.strip().lower(), content.strip())
    return found


def _json_ld(tree: HtmlElement) -> Iterator[dict[str, Any]]:
    """Every object of the page's JSON-LD, at whatever depth up to 6."""
    for script in tree.iter("script"):
        if "ld+json" not in (script.get("type") or ""):
            continue
        try:
            data = json.loads((script.text or "").strip().strip(";"), strict=False)
        except (ValueError, RecursionError):
            continue
        yield from _objects(data, 6)


def _objects(data: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth and isinstance(data, dict):
        yield data
        for value in data.values():
            yield from _objects(value, depth - 1)
    elif depth and isinstance(data, list):
        for value in data:
            yield from _objects(value, depth - 1)


def _is_article(record: dict[str, Any]) -> bool:
    kinds = record.get("@type")
    names = kinds if isinstance(kinds, list) else [kinds]
    return any(
        isinstance(n, str) and n.endswith(("Article", "BlogPosting", "Report", "NewsArticle")) for n in names
    )


def _titles(tree: HtmlElement, meta: dict[str, str], articles: list[dict[str, Any]]) -> Iterator[str]:
    yield from (r["headline"] for r in articles[:1] if isinstance(r.get("headline"), str))
    yield from (meta[name] for name in _TITLE_META if name in meta)
    headings = list(tree.iter("h1"))
    yield from (h.text_content() for h in headings[:3])
    whole = tree.findtext(".//title") or ""
    yield _SITE_SUFFIX.sub("", " ".join(whole.split()))
    yield whole


def _line(text: str) -> str | None:
    line = " ".join(unescape(text).split())
    return line[:_LONGEST_TITLE] or None


def _best_title(wordings: list[str], tree: HtmlElement) -> str | None:
    """The first wording; where one of the headings says the same with a site's name less, that heading."""
    if not wordings:
        return None
    first = wordings[0]
    for heading in tree.iter("h1"):
        line = _line(heading.text_content())
        if line and len(line) >= 15 and first.casefold().startswith(line.casefold()):
            return line
    return _SITE_SUFFIX.sub("", first) if first == wordings[-1] else first


def _longest_body(articles: list[dict[str, Any]]) -> str | None:
    bodies = [r["articleBody"] for r in articles if isinstance(r.get("articleBody"), str)]
    return max(bodies, key=len, default=None) or None


# ---------------------------------------------------------------- dates


def _published(
    tree: HtmlElement, meta: dict[str, str], records: list[dict[str, Any]], url: str | None
) -> datetime | None:
    said = [r.get("datePublished") for r in records] + [meta.get(name) for name in _DATE_META]
    said += [t.get("datetime") for t in tree.iter("time") if t.get("datetime")][:1]
    for text in said:
        if isinstance(text, str) and (date := parsed_date(text)):
            return date
    found = htmldate.find_date(tree, url=url, extensive_search=False, original_date=True)
    return parsed_date(found) if found else None


def parsed_date(text: str) -> datetime | None:
    """A date as ISO 8601 or RFC 2822 write it, UTC where no zone is given; None where it is neither."""
    text = text.strip()
    date: datetime | None = None
    for read in (_iso, _rfc2822):
        date = date or read(text)
    if date is None:
        return None
    try:
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        is_plausible = date.year >= _YEAR_FROM and date <= datetime.now(UTC) + timedelta(days=2)
    except (OverflowError, ValueError):
        return None
    return date if is_plausible else None


def _iso(text: str) -> datetime | None:
    for candidate in (text, re.sub(r"\s+(?=[+-]\d\d:?\d\d$|Z$)", "", text), text[:10]):
        try:
            return datetime.fromisoformat(candidate)
        except ValueError:
            continue
    return None


def _rfc2822(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
