"""So many rows, drawn at random.

In: rows. Out: `n` of them in their order, every set of `n` as likely; all where there are no more.
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


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows that were drawn."""
    spool = setting.spool()
    spool.keep(rows)
    n = min(options.n, spool.n_rows)
    chosen = set(setting.random().sample(range(spool.n_rows), n))
    setting.counts["left out: not drawn"] += spool.n_rows - n
    for place, row in enumerate(spool):
        if place in chosen:
            yield row
    spool.remove()
