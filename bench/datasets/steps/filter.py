"""Rows that are too short, too long or too uncertain to learn from are left out.

In: rows. Out: those that pass; every reason is counted apart, the first that applies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from bench.datasets.row import Row
from bench.datasets.steps import Setting
from bench.records import Record


class Options(Record):
    """What passes."""

    min_words: int = Field(0, ge=0)
    """Fewest words, as white space divides them."""
    max_words: int | None = Field(None, ge=1)
    """Most words."""
    min_confidence: float | None = Field(None, ge=0, le=1)
    """Least confidence; a row without one passes."""
    labelled: bool = False
    """Leave out what has no label."""


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows that pass."""
    for row in rows:
        reason = _reason(row, options)
        if reason is None:
            yield row
        else:
            setting.counts[f"left out: {reason}"] += 1


def _reason(row: Row, options: Options) -> str | None:
    n_words = len(row.text.split())
    if n_words < options.min_words:
        return f"fewer than {options.min_words} words"
    if options.max_words is not None and n_words > options.max_words:
        return f"more than {options.max_words} words"
    least = options.min_confidence
    if least is not None and row.confidence is not None and row.confidence < least:
        return f"confidence below {least:g}"
    if options.labelled and row.label is None:
        return "no label"
    return None
