"""The main text of a page: trafilatura's first, another reader's where that is plainly not it.

In: markup as text, its tree and what the page says of itself. Out: lines of main text. Three readers are
asked only as far as needed: trafilatura on the pruned tree; its slower path with more heuristics on the
whole page; the body in the page's JSON-LD; and BeautifulSoup, for sites whose article has a known place
and for pages where the others find next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import trafilatura
from bs4 import BeautifulSoup, Tag
from lxml.html import HtmlElement

from bench.articles.extract.kinds import weight
from bench.articles.extract.lines import kept_lines
from bench.articles.extract.metadata import Metadata
from bench.articles.extract.prune import pruned

Parse = Callable[[], HtmlElement]

_SITES = {
    "finance.yahoo.com": "div.caas-body, div[data-testid=article-body], div.body-wrap div.body",
    "news.yahoo.com": "div.caas-body, div[data-testid=article-body]",
}
"""Where the article stands on the sites whose feeds have a source of their own."""
_ENOUGH_CHARS = 400
_MANY_LINES = 40
_SHORT_LINE_CHARS = 40
_MUCH_MORE = 1.8
_MARKUP = re.compile(r"<[^>]{1,200}>")
_BLOCK_END = re.compile(r"</(?:p|div|li|h[1-6]|blockquote)>|<br\s*/?>", re.IGNORECASE)


def main_lines(html: str, said: Metadata, url: str | None, parse: Parse) -> list[str]:
    """The main text; `parse` gives a fresh tree each time it is called."""
    if special := _known_place(html, url):
        return _cleaned(special, said)
    lines = _cleaned(_trafilatura(pruned(parse()), fast=True), said)
    machine = _cleaned(_json_ld_lines(said), said)
    if _looks_right(lines):
        return machine if _holds_more(machine, lines) else lines
    others = [_cleaned(_trafilatura(parse(), fast=False), said), machine]
    if max(map(_prose_chars, [lines, *others])) < _ENOUGH_CHARS:
        others.append(_cleaned(_densest(html), said))
    return max([lines, *others], key=_prose_chars)


def _cleaned(lines: list[str], said: Metadata) -> list[str]:
    return kept_lines(lines, said.title, said.other_titles)


def _trafilatura(tree: HtmlElement, *, fast: bool) -> list[str]:
    text = trafilatura.extract(tree, include_comments=False, fast=fast)
    return text.split("\n") if text else []


def _looks_right(lines: list[str]) -> bool:
    """Enough text, and not a menu: many lines, most of them short."""
    n_chars = sum(map(weight, lines))
    is_menu = len(lines) > _MANY_LINES and n_chars < _SHORT_LINE_CHARS * len(lines)
    return n_chars >= _ENOUGH_CHARS and not is_menu


def _prose_chars(lines: list[str]) -> int:
    """Characters in lines long enough to be sentences, less those in lines that are not."""
    return sum(weight(x) if weight(x) >= _SHORT_LINE_CHARS else -weight(x) for x in lines)


def _holds_more(machine: list[str], lines: list[str]) -> bool:
    """Whether JSON-LD has the same text and much more of it: the reader missed a part."""
    text, other = _squeezed(lines), _squeezed(machine)
    if len(other) < _MUCH_MORE * len(text):
        return False
    known = [line for line in lines if weight(line) >= 2 * _SHORT_LINE_CHARS]
    n_shared = sum(_squeezed([line])[:80] in other for line in known)
    return bool(known) and n_shared >= 0.8 * len(known)


def _squeezed(lines: list[str]) -> str:
    return "".join("".join(lines).split())


def _json_ld_lines(said: Metadata) -> list[str]:
    text = _MARKUP.sub("", _BLOCK_END.sub("\n", said.body or ""))
    return [" ".join(line.split()) for line in text.split("\n") if line.strip()]


# ---------------------------------------------------------------- BeautifulSoup


def _known_place(html: str, url: str | None) -> list[str]:
    selector = _SITES.get((urlsplit(url).hostname or "").removeprefix("www.")) if url else None
    if selector is None:
        return []
    found = BeautifulSoup(html, "lxml").select(selector)
    lines = [line for part in found for line in _block_lines(part)]
    return lines if _prose_chars(lines) >= _ENOUGH_CHARS else []


def _densest(html: str) -> list[str]:
    """The paragraphs of the element whose own paragraphs hold most text."""
    soup = BeautifulSoup(html, "lxml")
    for chrome in soup(
        ["script", "style", "nav", "header", "footer", "aside", "form", "noscript", "template"]
    ):
        chrome.decompose()
    parents = {id(p.parent): p.parent for p in soup("p") if p.parent is not None}
    best = max(
        parents.values(), key=lambda e: sum(len(p.get_text()) for p in e("p", recursive=False)), default=None
    )
    return list(_block_lines(best)) if best is not None else []


def _block_lines(element: Tag) -> Iterator[str]:
    for block in element.find_all(["p", "li", "h2", "h3", "h4", "blockquote"]):
        if block.find_parent(["figure", "figcaption", "aside", "button"]) or block.find(["p", "li"]):
            continue
        line = " ".join(block.get_text(" ").split())
        if line:
            yield line
