"""What a page is: an article, a paywall's teaser, a bot wall, or nothing to read.

In: the main text that was found and what else the page says. Out: the kind, with the reason in one
phrase. A long main text is an article whatever stands around it: walls are recognised by what they say
where little else is said. It knows phrases that many sites use, in several languages, and no site.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from bench.articles.extract.phrases import any_of

Kind = Literal["article", "paywall", "bot_wall", "empty"]

SHORTEST_ARTICLE_CHARS = 200
"""Less main text than this (Chinese, Japanese and Korean characters counted thrice) is no article."""
_PAY_DECLARED_WORDS = ("isaccessibleforfree", "content_tier")
_PAY_SOURCE_WORDS = ("wall", "piano-", "tp-modal", "-only", "gateway", "locked", "metered")
_SURE_CHARS = 4000
_TEASER_CHARS = 1800
_LEAD_CHARS = 900
_LONGEST_WALL_CHARS = 3000
_SHORTEST_SENTENCE = 60
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

_BOT_TITLE = any_of("bot_title")
_BOT_TEXT = any_of("bot_text")
_BOT_SOURCE = any_of("bot_source")
_PAY_STRONG = any_of("pay_strong")
_PAY_WEAK = any_of("pay_weak")
_PAY_DECLARED = any_of("pay_declared")
_PAY_SOURCE = any_of("pay_source")
_NOTHING_TITLE = any_of("nothing_title")
_NOTHING_TEXT = any_of("nothing_text")


class _Evidence(NamedTuple):
    text: str
    title: str
    visible: str
    source: str


def kind_of(text: str, title: str, visible: Callable[[], str], source: str) -> tuple[Kind, str]:
    """The kind of a page and why; the reason is "" for an article.

    `text` is the main text that was found, `source` the markup, `visible()` all that a reader sees.
    """
    n_chars = weight(text)
    if n_chars >= _SURE_CHARS:
        return "article", ""
    page = _Evidence(text, title, visible(), source)
    if reason := _bot_wall(page, n_chars):
        return "bot_wall", reason
    if reason := _paywall(page, n_chars):
        return "paywall", reason
    if reason := _empty(page, n_chars):
        return "empty", reason
    return "article", ""


def weight(text: str) -> int:
    """Characters of a text; those of scripts that need few of them count thrice."""
    return len(text) + 2 * len(_WIDE.findall(text))


def _bot_wall(page: _Evidence, n_chars: int) -> str:
    if weight(page.visible) > _LONGEST_WALL_CHARS or n_chars > _TEASER_CHARS:
        return ""
    in_title = _BOT_TITLE.search(page.title)
    in_text = _BOT_TEXT.search(page.visible)
    in_source = _BOT_SOURCE.search(page.source)
    is_short = weight(page.visible) <= _TEASER_CHARS
    if (in_text and (in_title or in_source or is_short)) or (in_title and in_source):
        found = in_text or in_title or in_source
        return f"it asks for proof of a human ({_quoted(found)})"
    if in_source and n_chars < SHORTEST_ARTICLE_CHARS and is_short:
        return "it holds a bot check and nothing to read"
    return ""


def _paywall(page: _Evidence, n_chars: int) -> str:
    strong = _PAY_STRONG.search(page.visible)
    lowered = page.source.lower()  # finding a word is far faster than finding a pattern
    in_source = any(word in lowered for word in _PAY_SOURCE_WORDS) and _PAY_SOURCE.search(page.source)
    is_declared = any(word in lowered for word in _PAY_DECLARED_WORDS) and _PAY_DECLARED.search(page.source)
    n_weak = len({m[0].casefold() for m in _PAY_WEAK.finditer(page.visible)})
    is_cut = page.text.rstrip().endswith(("…", "...", "[...]", "[…]"))
    is_teaser = (
        (strong and (n_weak or in_source or is_declared or is_cut))
        or (is_declared and (n_weak or is_cut or n_chars < _LEAD_CHARS))
        or (in_source and (n_weak > 2 or is_cut))
    )
    if n_chars < _TEASER_CHARS and is_teaser:
        return f"a teaser of {len(page.text)} characters before a paywall" + (
            f" ({_quoted(strong)})" if strong else ""
        )
    if strong and (in_source or is_declared) and is_cut:
        return f"a teaser that breaks off before a paywall ({_quoted(strong)})"
    return ""


def _empty(page: _Evidence, n_chars: int) -> str:
    if n_chars < SHORTEST_ARTICLE_CHARS:
        return f"only {len(page.text)} characters of text"
    if n_chars < _TEASER_CHARS and (_NOTHING_TITLE.search(page.title) or _NOTHING_TEXT.search(page.text)):
        found = _NOTHING_TITLE.search(page.title) or _NOTHING_TEXT.search(page.text)
        return f"it says there is nothing to read ({_quoted(found)})"
    longest = max((weight(line) for line in page.text.split("\n")), default=0)
    if longest < _SHORTEST_SENTENCE:
        return "headings and links only, no sentence"
    return ""


def _quoted(found: re.Match[str] | None) -> str:
    return " ".join(found[0].split())[:60] if found else ""
