"""As many rows of each label, chosen at random.

In: rows. Out: in their order, of each label as many as the rarest has, or `to`, drawn without replacement;
a label with fewer keeps all. Rows without a label stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import Field

from bench.datasets.row import Row
from bench.datasets.steps import Setting
from bench.records import Record


class Options(Record):
    """How many."""

    to: int | None = Field(None, ge=1)
    """Most rows of one label; None: as many as the rarest label has."""


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows that were drawn."""
    spool = setting.spool()
    counts = Counter(row.label for row in spool.passing(rows) if row.label is not None)
    most = options.to if options.to is not None else min(counts.values(), default=0)
    random = setting.random()
    # one draw for each label, in the labels' own order: another label's rows change nothing
    chosen = {
        label: set(random.sample(range(counts[label]), min(most, counts[label]))) for label in sorted(counts)
    }
    seen: Counter[str] = Counter()
    for row in spool:
        if row.label is None:
            yield row
            continue
        if seen[row.label] in chosen[row.label]:
            yield row
        else:
            setting.counts[f"left out: {row.label}"] += 1
        seen[row.label] += 1
    spool.remove()
