"""Lines that are not the article, cut out of an extracted text.

In: the lines that an extractor took for the main text, and the title. Out: the lines that stay: without the
title once more at the top, calls to subscribe or share, pointers to other stories, copyright and comment
lines, and the credits at the end. Only short lines are judged; prose is never cut.
"""

from __future__ import annotations

import re
import unicodedata

from bench.articles.extract.phrases import any_of

_LONGEST_JUDGED = 320
_LONGEST_LABEL = 60
_N_TOP = 6
_N_END = 8

_BULLET = re.compile(r"^[-*•–—·|>»\s]+")
_RULE = re.compile(r"^[\W_]+$")

_CALLS = any_of("calls", r"^(?:please\s+|to\s+\w+\s+)?")
_POINTERS = any_of("pointers", "^", r"\b\s*[:：|»>-]")
_ALONE = any_of("alone", "^", r"\s*[:：]?$")
_RIGHTS = any_of("rights", "^")
_CREDITS = any_of("credits", r"^[(\[]?")


def kept_lines(lines: list[str], title: str | None, others: tuple[str, ...] = ()) -> list[str]:
    """The lines that belong to the article; `others` are further wordings of the title."""
    titles = {_key(text) for text in (title, *others) if text} - {""}
    stays = [line for line in lines if line.strip() and not _is_chrome(line)]
    top = [i for i, line in enumerate(stays[:_N_TOP]) if _repeats(line, titles)]
    stays = [line for i, line in enumerate(stays) if i not in top]
    return _without_credits(stays)


def _key(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _repeats(line: str, titles: set[str]) -> bool:
    key = _key(line)
    return bool(key) and any(
        key == t or (len(key) > 20 and t.startswith(key) and len(key) > 0.6 * len(t)) for t in titles
    )


def _is_chrome(line: str) -> bool:
    text = _BULLET.sub("", line).strip()
    if not text or _RULE.match(text):
        return False
    if len(text) <= _LONGEST_LABEL and _ALONE.match(text):
        return True
    if len(text) > _LONGEST_JUDGED:
        return False
    return bool(_CALLS.match(text) or _POINTERS.match(text) or _RIGHTS.match(text))


def _without_credits(lines: list[str]) -> list[str]:
    """The lines without credits among the last ones; what is cut must leave most of the text."""
    end = max(1, len(lines) - _N_END)
    tail = [
        line
        for line in lines[end:]
        if len(line) > _LONGEST_JUDGED or not _CREDITS.match(_BULLET.sub("", line))
    ]
    while tail and _RULE.match(tail[-1]):
        tail.pop()
    return lines[:end] + tail
