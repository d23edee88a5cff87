"""The same thing twice: one of them stays.

In: rows. Out: of rows that are the same (by id, text or words) the first, or the one with the highest
confidence, at its own place. Rows without an id stay where ids are compared. Memory: about 100 bytes a
row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from bench.datasets.row import KeyBy, Row, key
from bench.datasets.steps import Setting
from bench.records import Record


class Options(Record):
    """What is the same, and which stays."""

    by: KeyBy = "words"
    """What makes two rows the same."""
    keep: Literal["first", "most_confident"] = "first"
    """Which of them stays; the first of those that are equally certain."""


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows that stay."""
    kept = _first(rows, options) if options.keep == "first" else _most_confident(rows, options, setting)
    for row, stays in kept:
        if stays:
            yield row
        else:
            setting.counts["left out: the same again"] += 1


def _first(rows: Iterable[Row], options: Options) -> Iterator[tuple[Row, bool]]:
    seen: set[bytes] = set()
    for row in rows:
        found = key(row, options.by)
        is_new = found is None or found not in seen
        if found is not None:
            seen.add(found)
        yield row, is_new


def _most_confident(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[tuple[Row, bool]]:
    spool = setting.spool()
    best: dict[bytes, tuple[float, int]] = {}
    for place, row in enumerate(spool.passing(rows)):
        found = key(row, options.by)
        confidence = -1.0 if row.confidence is None else row.confidence
        if found is not None and (found not in best or confidence > best[found][0]):
            best[found] = (confidence, place)
    for place, row in enumerate(spool):
        found = key(row, options.by)
        yield row, found is None or best[found][1] == place
    spool.remove()
