"""One thing with two labels: settled by a stated rule.

In: rows. Out: of rows that are the same (by id, text or words) and have different labels, those with the
label that wins; the others are left out. Rules:

    majority     the label that most of them have; none wins where two have as many
    confidence   the label of the most certain row; none where two labels are as certain
    drop         none: all of them are left out

Rows that are the same and agree stay as they are; `deduplicate` makes them one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from bench.datasets.row import KeyBy, Row, key
from bench.datasets.steps import Setting
from bench.records import Record

Rule = Literal["majority", "confidence", "drop"]
_NONE = ""


class Options(Record):
    """What is the same, and who wins."""

    by: KeyBy = "words"
    """What makes two rows the same."""
    rule: Rule = "majority"
    """Which label wins."""


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows whose label stands."""
    spool = setting.spool()
    first: dict[bytes, str] = {}
    disputed: set[bytes] = set()
    for row in spool.passing(rows):
        found = key(row, options.by)
        if found is not None and row.label is not None and first.setdefault(found, row.label) != row.label:
            disputed.add(found)
    first.clear()
    winners = _winners(spool, disputed, options)
    setting.counts["with more than one label"] += len(disputed)
    setting.counts["of these settled"] += sum(winner != _NONE for winner in winners.values())
    for row in spool:
        found = key(row, options.by) if disputed else None
        if found in disputed and row.label is not None and row.label != winners[found]:
            setting.counts["left out: another label won" if winners[found] else "left out: no label won"] += 1
        else:
            yield row
    spool.remove()


def _winners(rows: Iterable[Row], disputed: set[bytes], options: Options) -> dict[bytes, str]:
    """The label that stands, by key; `_NONE` where none does."""
    if not disputed:
        return {}
    votes: dict[bytes, Counter[str]] = {found: Counter() for found in disputed}
    for row in rows:
        found = key(row, options.by)
        if found in votes and row.label is not None:
            tally = votes[found]
            if options.rule == "confidence":
                tally[row.label] = max(tally[row.label], round(1e6 * (row.confidence or 0.0)))
            else:
                tally[row.label] += 1
    return {found: _winner(tally, options.rule) for found, tally in votes.items()}


def _winner(tally: Counter[str], rule: Rule) -> str:
    (label, most), (_, next_most) = tally.most_common(2)
    return _NONE if rule == "drop" or most == next_most else label
