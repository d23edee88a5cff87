"""Feeds: RSS, Atom and JSON Feed, as they come: broken, compressed, mis-declared, truncated.

In: the bytes of a feed and its Content-Type. Out: its items, or FeedError with one line why there are none.
Compressed bytes are inflated up to a limit. A DOCTYPE never reaches the parser: entities that a feed defines
are dropped unless they are short texts, so none can expand far, and none can read a file. It fetches nothing.
"""

from __future__ import annotations

import calendar
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import feedparser

from bench.articles.extract.decode import decoded
from bench.articles.extract.metadata import parsed_date

MAX_BYTES = 20_000_000
_MAX_EXPANSION = 200_000
_LONGEST_ENTITY = 200
_DEEPEST = 400
_COMPRESSED = ((b"\x1f\x8b", 31), (b"\x78\x9c", 15), (b"\x78\xda", 15), (b"\x78\x01", 15))
_DECLARED = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_TAG_START = re.compile(r"<\w")
_ENTITY = re.compile(r"""<!ENTITY\s+([\w.-]{1,40})\s+(?:"([^"<&%]*)"|'([^'<&%]*)')\s*>""")
_ROOTS = re.compile(r"<(?:\w+:)?(?:rss|feed|rdf|channel|entry|item)\b", re.IGNORECASE)
_TAG = re.compile(r"<(/?)[A-Za-z][^<>]*?(/?)>")


class FeedError(Exception):
    """Why there are no items; `str(error)` is one line for the user."""


@dataclass(frozen=True)
class Item:
    """One entry of a feed."""

    url: str | None
    title: str | None
    published_at: datetime | None
    html: str | None
    """The text that the feed itself carries, as markup."""


def parse_feed(content: bytes, url: str = "", content_type: str | None = None) -> list[Item]:
    """The items of a feed, in its order."""
    text = decoded(inflated(content), content_type)
    if not text.strip():
        raise FeedError("the feed is empty")
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return _json_items(text, url)
    if not _ROOTS.search(text):
        raise FeedError("it is no feed: neither RSS nor Atom nor JSON")
    return list(_xml_items(_harmless(text), url))


def inflated(content: bytes, max_bytes: int = MAX_BYTES) -> bytes:
    """`content`, decompressed if it is gzip or deflate; what a truncated stream gave before its end."""
    for start, bits in _COMPRESSED:
        if not content.startswith(start):
            continue
        engine = zlib.decompressobj(bits)
        try:
            plain = engine.decompress(content, max_bytes)
        except zlib.error as error:
            raise FeedError(f"its compressed bytes are damaged ({error})") from error
        if engine.unconsumed_tail:
            raise FeedError(f"larger than {max_bytes:,} bytes when decompressed")
        return plain
    return content


# ---------------------------------------------------------------- XML


def _harmless(text: str) -> bytes:
    """The feed as UTF-8 without declaration and DOCTYPE; short entities that it defines are filled in."""
    text = text.lstrip("\ufeff \t\r\n")
    while text.startswith(("<?", "<!")):
        end = _prolog_end(text)
        piece, text = text[:end], text[end:].lstrip()
        if piece[:9].upper() == "<!DOCTYPE":
            text = _with_entities(text, piece)
    # what is no prolog but looks like it: the parser would look there for entities too
    first = _TAG_START.search(text)
    head_chars = first.start() if first else len(text)
    text = _DECLARED.sub("", text[:head_chars]) + text[head_chars:]
    if _depth(text) > _DEEPEST:
        raise FeedError(f"its elements are nested more than {_DEEPEST} deep")
    return text.encode("utf-8")


def _prolog_end(text: str) -> int:
    """Where the declaration, comment or DOCTYPE ends that a text begins with."""
    if text[:9].upper() == "<!DOCTYPE":
        return _doctype_end(text, 0)
    close = "-->" if text.startswith("<!--") else "?>" if text.startswith("<?") else ">"
    end = text.find(close)
    return end + len(close) if end != -1 else len(text)


def _doctype_end(text: str, start: int) -> int:
    """Where a DOCTYPE ends, its internal subset included; the end of the text where it never does."""
    subset, close = text.find("[", start), text.find(">", start)
    if subset != -1 and (close == -1 or subset < close):
        match = re.compile(r"\]\s*>").search(text, subset)
        return match.end() if match else len(text)
    return close + 1 if close != -1 else len(text)


def _with_entities(text: str, doctype: str) -> str:
    values = {m[1]: m[2] if m[2] is not None else m[3] for m in _ENTITY.finditer(doctype)}
    short = {name: value for name, value in values.items() if len(value) <= _LONGEST_ENTITY}
    if sum(text.count(f"&{name};") * len(value) for name, value in values.items()) > _MAX_EXPANSION:
        raise FeedError(f"the entities it defines would expand to more than {_MAX_EXPANSION:,} characters")
    for name, value in short.items():
        text = text.replace(f"&{name};", value)
    return text


def _depth(text: str) -> int:
    """The deepest nesting of elements, unclosed ones counted at every open tag."""
    deepest = depth = 0
    for tag in _TAG.finditer(text):
        depth = max(0, depth - 1) if tag[1] else depth + (0 if tag[2] else 1)
        deepest = max(deepest, depth)
    return deepest


def _xml_items(content: bytes, url: str) -> Iterator[Item]:
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": url}
    feed = feedparser.parse(content, response_headers=headers, resolve_relative_uris=False)
    if not feed.entries and not feed.version and not feed.feed:
        raise FeedError(f"it cannot be read as a feed: {_problem(feed)}")
    base = _text(feed.feed.get("link")) or url
    for entry in feed.entries:
        link = _text(entry.get("link")) or _web_address(entry.get("id"))
        date = entry.get("published_parsed") or entry.get("updated_parsed")
        contents = [c.get("value") for c in entry.get("content", [])] + [entry.get("summary")]
        yield Item(
            url=urljoin(urljoin(url, base), link) if link else None,
            title=_plain(entry.get("title")),
            published_at=_time(date) or parsed_date(entry.get("published") or entry.get("updated") or ""),
            html=max((c for c in contents if isinstance(c, str)), key=len, default=None),
        )


def _problem(feed: Any) -> str:
    return " ".join(str(feed.get("bozo_exception", "no items in it")).split())[:120]


def _time(parsed: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _web_address(value: Any) -> str | None:
    text = _text(value)
    return text if text and text.startswith(("http://", "https://")) else None


def _plain(value: Any) -> str | None:
    text = _text(value)
    return " ".join(re.sub(r"<[^>]{1,200}>", "", text).split()) or None if text else None


# ---------------------------------------------------------------- JSON


def _json_items(text: str, url: str) -> list[Item]:
    """The items of a JSON Feed; those that are no objects are passed over."""
    try:
        data = json.loads(text.lstrip("\ufeff"), strict=False)
    except (ValueError, RecursionError) as error:
        raise FeedError(f"it is broken JSON: {' '.join(str(error).split())[:120]}") from error
    entries = data.get("items") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise FeedError("it is JSON, but no JSON Feed: it has no list `items`")
    return [_json_item(entry, url) for entry in entries if isinstance(entry, dict)]


def _json_item(entry: dict[str, Any], url: str) -> Item:
    link = _text(entry.get("url")) or _text(entry.get("external_url")) or _web_address(entry.get("id"))
    date = _text(entry.get("date_published")) or _text(entry.get("date_modified"))
    return Item(
        url=urljoin(url, link) if link else None,
        title=_plain(entry.get("title")),
        published_at=parsed_date(date) if date else None,
        html=_text(entry.get("content_html")) or _text(entry.get("content_text")),
    )
