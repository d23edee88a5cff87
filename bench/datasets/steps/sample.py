"""So many rows, drawn at random.

In: rows. Out: `n` of them in their order, every set of `n` as likely; all where there are no more. With
`each_side: true`, `n` of the rows on each side that the sources gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from bench.datasets.row import Row
from bench.datasets.steps import Setting
from bench.records import Record


class Options(Record):
    """How many."""

    n: int = Field(ge=1)
    """Rows."""
    each_side: bool = False
    """Whether so many are drawn from each side of the sources, such as their training and test files."""


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows that were drawn."""
    spool = setting.spool()
    sides: dict[str | None, list[int]] = {}
    for place, row in enumerate(spool.passing(rows)):
        sides.setdefault(row.split if options.each_side else None, []).append(place)
    random = setting.random()
    chosen: set[int] = set()
    for side in sorted(sides, key=str):
        chosen |= set(random.sample(sides[side], min(options.n, len(sides[side]))))
    setting.counts["left out: not drawn"] += spool.n_rows - len(chosen)
    for place, row in enumerate(spool):
        if place in chosen:
            yield row
    spool.remove()
