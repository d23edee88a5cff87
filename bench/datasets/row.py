"""One row, and the one definition of when two texts are the same.

In: text. Out: Rows (plain tuples, because a million of them pass by), the words that comparisons see,
and keys. It reads nothing.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Literal, NamedTuple

from bench.identity import normalized_text

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_URL = re.compile(r"(?:https?://|www\.)\S+")
_NO_SPACES = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W{_NO_SPACES}]+")
_NUMBER = re.compile(r"\d+")


class Row(NamedTuple):
    """One example. Absent is None."""

    text: str
    """What is judged, or learnt from."""
    label: str | None = None
    """What it is, in words."""
    score: float | None = None
    """The same as a number of the task's scale."""
    confidence: float | None = None
    """0 to 1: how sure whoever labelled it was."""
    reasoning: str | None = None
    """Why."""
    entity: str | None = None
    """Who it is about."""
    title: str | None = None
    """Its headline."""
    parts: tuple[tuple[str, str], ...] = ()
    """What belongs to it besides, by name: ("parent", the comment that it answers)."""
    group: str | None = None
    """Rows of one group stay on one side of a split."""
    id: str | None = None
    """The source's own id."""
    split: Split | None = None
    """The side that the source put it on."""
    source: str = ""
    """Name of the source in the recipe."""
    place: str = ""
    """`file:record`, the record counted from 1 without the header."""


def words(text: str) -> list[str]:
    """What a comparison sees: words without case, punctuation and addresses; a text without any is itself."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    folded = folded.casefold()
    if "://" in folded or "www." in folded:
        folded = _URL.sub(" ", folded)
    return _WORD.findall(folded) or [text.strip()]


def without_numbers(found: list[str]) -> list[str]:
    """The same words with every run of digits as one sign."""
    return [_NUMBER.sub("0", word) if not word.isalpha() else word for word in found]


KeyBy = Literal["id", "text", "words"]
"""`id`: the source and its id; `text`: the text but for case and white space; `words`: its words alone."""


def key(row: Row, by: KeyBy) -> bytes | None:
    """16 bytes that equal rows share; None for a row that has no id where ids are compared.

    What belongs to a row is part of it: one comment under two parents is two.
    """
    if by == "id":
        return None if row.id is None else digest(row.source, row.id)
    parts = [part for _, part in row.parts]
    return digest(row.entity or "", *[text_key(text, by) for text in (row.text, *parts)])


def text_key(text: str, by: KeyBy) -> str:
    """What is compared of a text."""
    return " ".join(words(text)) if by == "words" else normalized_text(text).casefold()


def digest(*texts: str) -> bytes:
    """16 bytes of BLAKE2b; texts that meet at another place give other bytes."""
    joined = "\x1f".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=16).digest()
