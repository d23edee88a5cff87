"""The same characters for the same thing: Unicode, HTML entities, quotes, white space, mojibake.

In: rows. Out: rows with the text, the title and the parts rewritten; what was done to how many rows is
counted. A row whose text is blank afterwards is left out. Mojibake is mended only where it can be read
in one way (`bench.datasets.mojibake`); what cannot is counted and stays.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal

from bench.datasets.mojibake import Kind, mended
from bench.datasets.row import Row
from bench.datasets.steps import Setting
from bench.records import Record

_QUOTES = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"'}
)
_BACKTICK = re.compile(r"(?<=\w)`(?=\w)")
_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,30}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Options(Record):
    """What is done."""

    unicode: Literal["NFC", "NFKC", "keep"] = "NFC"
    """The form of every character; NFKC also makes wide and ligature forms plain."""
    entities: bool = True
    """`&amp;` and `&#39;` as what they stand for, once."""
    quotes: Literal["straight", "keep"] = "straight"
    """Curly quotes and a backtick inside a word as straight ones, `` and '' as \"."""
    white_space: Literal["one_space", "lines", "keep"] = "one_space"
    """Every run as one space; or the same within lines, which stay lines."""
    mojibake: tuple[Kind, ...] = ("utf8_as_latin1",)
    """Kinds that are mended; `utf8_as_cp850` only where a set is known for it."""


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows, rewritten."""
    counts = setting.counts
    for row in rows:
        done: set[str] = set()
        text = _rewritten(row.text, options, setting, done)
        if not text.strip():
            counts["left out: no text"] += 1
            continue
        changed = row
        if row.title is not None:
            changed = changed._replace(title=_rewritten(row.title, options, setting, done) or None)
        if row.parts:
            parts = tuple((name, _rewritten(part, options, setting, done)) for name, part in row.parts)
            changed = changed._replace(parts=parts)
        if text != row.text:
            changed = changed._replace(text=text)
        for what in done:
            counts[what] += 1
        yield changed


def _rewritten(text: str, options: Options, setting: Setting, done: set[str]) -> str:
    def note(what: str, new: str) -> str:
        if new != text:
            done.add(what)
        return new

    if not text.isascii():
        result = mended(text, options.mojibake)
        setting.counts["places of mojibake mended"] += result.n_mended
        setting.counts["places that cannot be read"] += result.n_lost
        if result.n_lost:
            done.add("rows with a place that cannot be read")
        text = note("rows with mojibake mended", result.text)
        if options.unicode != "keep":
            text = note(f"rows not in {options.unicode}", unicodedata.normalize(options.unicode, text))
    if options.entities and "&" in text:
        text = note("rows with HTML entities", _ENTITY.sub(lambda m: html.unescape(m[0]), text))
    if options.quotes == "straight":
        text = note("rows with other quotes", _straight(text))
    if options.white_space != "keep":
        text = note("rows with other white space", _spaced(text, options.white_space))
    return text


def _straight(text: str) -> str:
    if not text.isascii():
        text = text.translate(_QUOTES)
    if "`" in text:
        text = _BACKTICK.sub("'", text.replace("``", '"'))
    return text.replace("''", '"') if "''" in text else text


def _spaced(text: str, how: str) -> str:
    text = _INVISIBLE.sub("", text)
    if how == "lines":
        return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    return " ".join(text.split())
