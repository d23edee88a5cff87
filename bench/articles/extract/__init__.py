"""One saved page -> title, date, main text, and what kind of page it is.

In: the bytes of a page, with its address and its Content-Type where they are known. Out: an Extracted
record; a paywall's teaser, a bot wall and an empty page are said to be that. It fetches nothing, raises
nothing for what a page holds, and decides nothing about who reads the text.

    bench articles extract FILE|- [--url URL] [--json]
"""

from __future__ import annotations

from datetime import datetime

import lxml.html
from lxml import etree
from lxml.html import HtmlElement

from bench.articles.extract.body import main_lines
from bench.articles.extract.decode import decoded
from bench.articles.extract.kinds import Kind, kind_of
from bench.articles.extract.metadata import metadata_of
from bench.articles.extract.prune import is_hidden
from bench.records import Record, Text

__all__ = ["Extracted", "Kind", "extract"]

_UNSEEN = frozenset({"script", "style", "template", "svg", "head"})


class Extracted(Record):
    """What one page gave."""

    kind: Kind
    """`article`, `paywall`, `bot_wall` or `empty`."""
    reason: Text = ""
    """Why it is not an article; "" where it is one."""
    title: Text | None = None
    """The headline."""
    published_at: datetime | None = None
    """When the page says it appeared."""
    text: Text = ""
    """The main text, a paragraph a line. Only that of an `article` is passed on."""


def extract(content: bytes, url: str | None = None, content_type: str | None = None) -> Extracted:
    """What is to be read on a page."""
    html = decoded(content, content_type)
    markup = html.encode("utf-8")
    try:
        tree = _parsed(markup)
    except (etree.ParserError, etree.XMLSyntaxError):
        return Extracted(kind="empty", reason="there is no markup and no text in it")
    said = metadata_of(tree, url)
    text = "\n".join(main_lines(html, said, url, lambda: _parsed(markup))).strip()
    kind, reason = kind_of(text, said.title or "", lambda: " ".join(_visible(_parsed(markup))), html)
    return Extracted(kind=kind, reason=reason, title=said.title, published_at=said.published_at, text=text)


def _parsed(markup: bytes) -> HtmlElement:
    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    return lxml.html.document_fromstring(markup, parser=parser)


def _visible(element: HtmlElement) -> list[str]:
    """The words a reader sees, without those hidden by an attribute."""
    words: list[str] = []
    stack: list[HtmlElement | str] = [element]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            words.extend(item.split())
            continue
        if item.tail and item is not element:
            stack.append(item.tail)
        if not isinstance(item.tag, str) or item.tag in _UNSEEN or is_hidden(item):
            continue
        stack.extend(reversed(item))
        if item.text:
            words.extend(item.text.split())
    return words
