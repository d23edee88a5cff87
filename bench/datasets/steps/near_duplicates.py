"""Nearly the same thing twice: the first stays.

In: rows. Out: rows of which no two have word runs with a Jaccard similarity of `threshold` or more:
each row that is so similar to one that stays is left out. The search is exact (`similar.join`): it misses
no pair, unlike hashing into bands. Where a label differs from that of the row that stays, it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from pydantic import Field

from bench.datasets.row import Row, digest
from bench.datasets.similar.join import first_similar
from bench.datasets.similar.shingles import ShingleFile
from bench.datasets.steps import Setting
from bench.records import Record


class Options(Record):
    """How similar is nearly the same."""

    threshold: float = Field(0.8, ge=0.3, le=1)
    """Shared runs of words over all runs of both."""
    run: int = Field(2, ge=1, le=8)
    """Longest run of words that is compared, single words always."""
    ignore_numbers: bool = False
    """Whether texts that differ in their numbers alone are the same."""


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows that stay."""
    spool = setting.spool()
    labels: list[int] = []
    names: dict[str | None, int] = {}
    with ShingleFile(setting.scratch, options.run, ignore_numbers=options.ignore_numbers) as file:
        for row in spool.passing(rows):
            file.add(row.text, apart=_apart(row))
            labels.append(names.setdefault(row.label, len(names)))
        found = first_similar(file.shingles(), options.threshold)
    label_of = np.array(labels, dtype=np.int32)
    del labels
    setting.counts["compared with too many others to be sure"] += found.n_not_finished
    for place, row in enumerate(spool):
        earlier = int(found.earlier[place])
        if earlier < 0:
            yield row
        else:
            setting.counts["left out: nearly the same as another"] += 1
            setting.counts["of these with another label"] += int(label_of[place] != label_of[earlier])
    spool.remove()


def _apart(row: Row) -> int:
    """What rows must share to be compared: who they are about, and what belongs to them."""
    others = (row.entity or "", *(part for _, part in row.parts))
    return int.from_bytes(digest(*others)[:8], "little") if any(others) else 0
