"""Which answers the page carries along: all of a small run, the telling ones of a large one.

In: one arm's samples as stored. Out: those that are kept, article by article. Above LIMIT samples in the
run all failures stay, and of each cell's valid answers three: the one nearest the median score, the
lowest and the highest. Nothing is judged here and no text is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from bench.records import Outcome

LIMIT = 40_000
"""Samples of a run that a page can hold whole."""

Row = Mapping[str, Any]


def by_article(rows: Iterable[Row], articles: Iterable[str]) -> dict[str, list[Row]]:
    """One arm's samples of the given articles, by article and then iteration."""
    wanted = set(articles)
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["article_id"] in wanted:
            found[row["article_id"]].append(row)
    for cell in found.values():
        cell.sort(key=lambda row: row["iteration"])
    return found


def telling(cell: Sequence[Row], score: str | None) -> list[Row]:
    """A cell's failures, its most typical valid answer and its two extremes, by iteration."""
    valid = [row for row in cell if row["verdict"]["outcome"] == Outcome.VALID]
    scores = [(_score(row, score), index) for index, row in enumerate(valid)]
    known = [(value, index) for value, index in scores if value is not None]
    if known:
        middle = median(value for value, _ in known)
        nearest = min(known, key=lambda pair: (abs(pair[0] - middle), pair[1]))
        chosen = {nearest[1], min(known)[1], max(known, key=lambda pair: (pair[0], -pair[1]))[1]}
    else:
        chosen = set(range(min(3, len(valid))))
    kept = [valid[index] for index in chosen]
    kept += [row for row in cell if row["verdict"]["outcome"] != Outcome.VALID]
    return sorted(kept, key=lambda row: row["iteration"])


def _score(row: Row, score: str | None) -> float | None:
    value = (row["verdict"]["answer"] or {}).get(score)
    return float(value) if isinstance(value, (int, float)) else None
