"""Short names for pictures: articles and groups of arms, in letters that the font has.

In: records. Out: text for matplotlib's DejaVu Sans; a character that it lacks is left out, so that no
empty box and no warning stands for it.
"""

from __future__ import annotations

import re
from functools import cache

from bench.records import Article
from bench.reports.scale import ArmPlace
from bench.reports.text import shortened
from bench.safe_text import inert

_ARTICLE_CHARS = 38
_MAX_GROUP_LINES = 5
_PIECE = re.compile(r"[^\s\-_./]+[\s\-_./]*|[\s\-_./]+")


def article_name(article: Article) -> str:
    """What a reader knows an article by: its title, else its text, else its address, else its id."""
    known = (article.title, article.text, article.url)
    return next((_telling(text.strip()) for text in known if text and text.strip()), article.id)


def article_label(article: Article) -> str:
    """An article's title, else the beginning of its text, with its id's first digits."""
    name = article_name(article)
    name = "" if name == article.id else drawable(shortened(name, 2 * _ARTICLE_CHARS))
    return f"{shortened(name, _ARTICLE_CHARS)}  {article.id[:4]}".strip()


def _telling(name: str) -> str:
    """The last part of an address, which is the one that differs; anything else as it is."""
    if not name.startswith(("http://", "https://")):
        return name
    parts = [part for part in name.split("?", maxsplit=1)[0].split("/") if part]
    return parts[-1].removesuffix(".html") if len(parts) > 2 else name


def group_label(place: ArmPlace) -> str:
    """A group's name over several lines: family, variant, what else it has in common."""
    return drawable("\n".join(place.group))


def fitting_lines(label: str, n_chars: float) -> str | None:
    """`label` broken into lines of at most `n_chars`; None where that does not work out."""
    width = max(int(n_chars), 1)
    lines = [part for line in label.split("\n") for part in _broken(line, width)]
    too_long = any(len(line) > width for line in lines)
    return None if too_long or len(lines) > _MAX_GROUP_LINES else "\n".join(lines)


def _broken(line: str, width: int) -> list[str]:
    """A line broken at blanks and, where a word is too long, after `-`, `_`, `.` and `/`."""
    lines = [""]
    for piece in _PIECE.findall(line):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [text.rstrip() for text in lines]


def drawable(text: str) -> str:
    """`text` without the characters that DejaVu Sans lacks."""
    known = _characters()
    return "".join(c for c in inert(text) if c == "\n" or ord(c) in known)


@cache
def _characters() -> frozenset[int]:
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())
