"""Text that was decoded by the wrong table: found, and mended where there is one way only to read it.

In: any text. Out: the text, how many places were mended, and how many are damaged for good. Two kinds
are known, and each is looked for only where it is named:

    utf8_as_latin1   UTF-8 read as Latin-1 or Windows-1252: `caf\\u00c3\\u00a9` for `caf\\u00e9`
    utf8_as_cp850    UTF-8 read as DOS code page 850 with its lead bytes flattened to `+` and `-`:
                     `+\\u00f1` for `\\u00e4`, as FinancialPhraseBank has it

A place is mended only where its bytes are valid UTF-8 of one printable character that is no sign of a
second damage. What lost its bytes (U+FFFD and its own mojibake) is counted and left as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

Kind = Literal["utf8_as_latin1", "utf8_as_cp850"]

LOST = "\u00ef\u00bf\u00bd"
"""U+FFFD after another wrong decoding: what stood there is gone."""
_WINDOWS = "\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u2122\u20ac"
_LATIN1_RUN = re.compile(rf"[\u0080-\u00ff{_WINDOWS}]{{2,}}")
_CP850_PAIR = re.compile(r"([+-])([^\x00-\x7f])")
_LEADS = {"+": b"\xc3", "-": b"\xc2"}
_TWICE = "\u00e2\u00c3\u00c2\u00ac"  # parts of mojibake themselves: a place that gives one was damaged twice


class Mended(NamedTuple):
    """What became of a text."""

    text: str
    n_mended: int
    """Places that were read the one way they can be."""
    n_lost: int
    """Places that are damaged and cannot be read."""


def mended(text: str, kinds: Sequence[Kind]) -> Mended:
    """`text` with every certain place mended."""
    if text.isascii():
        return Mended(text, 0, 0)
    n_mended = 0
    if "utf8_as_cp850" in kinds:
        text, n = _mend_cp850(text)
        n_mended += n
    n_lost = text.count(LOST) + text.count("\ufffd")
    if "utf8_as_cp850" in kinds:
        n_lost += len(_CP850_PAIR.findall(text))
    if "utf8_as_latin1" in kinds:
        text, n = _mend_latin1(text)
        n_mended += n
    return Mended(text, n_mended, n_lost)


def _mend_cp850(text: str) -> tuple[str, int]:
    n = 0

    def read(match: re.Match[str]) -> str:
        nonlocal n
        try:
            found = (_LEADS[match[1]] + match[2].encode("cp850")).decode("utf-8")
        except UnicodeError:
            return match[0]
        if not _is_certain(found):
            return match[0]
        n += 1
        return found

    return _CP850_PAIR.sub(read, text), n


def _mend_latin1(text: str) -> tuple[str, int]:
    n = 0

    def read(match: re.Match[str]) -> str:
        nonlocal n
        found = _redecoded(match[0])
        if found is None or not all(_is_certain(c) for c in found):
            return match[0]
        n += 1
        return found

    return _LATIN1_RUN.sub(read, text), n


def _redecoded(run: str) -> str | None:
    """A run of characters as UTF-8, where all of its bytes together are that."""
    raw = bytearray()
    for character in run:
        code = ord(character)
        try:
            # the C1 controls stand for themselves where Windows-1252 has no character
            raw += bytes([code]) if code < 0x100 else character.encode("cp1252")
        except UnicodeError:
            return None
    try:
        return raw.decode("utf-8")
    except UnicodeError:
        return None


def _is_certain(character: str) -> bool:
    return (
        character not in _TWICE
        and character != "\ufffd"
        and unicodedata.category(character) not in {"Cc", "Cn", "Co", "Cs"}
        and (character.isprintable() or character == "\u00a0")
    )
