"""Train, validation, test: by group, so that nothing on one side is nearly the same as on another.

In: rows. Out: rows with their side. Rows are of one group that have the same words, the same id, the same
`group`, a part in common (two answers to one comment, and that comment's own row), or texts whose word
runs have a Jaccard similarity of `similar` or more; numbers are not looked at unless `ignore_numbers:
false`. A group is never divided. Shares are met label by label as closely as whole groups allow.

A side that the source gives is kept. Then a group belongs to the most protected side that one of its
rows has (test, validation, train), and its rows of other sides, and those without one, are left out
as leaks: the source's own test set stays as it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from bench.datasets.row import SPLITS, Row, digest, text_key
from bench.datasets.similar.join import Groups, linked
from bench.datasets.similar.shingles import ShingleFile
from bench.datasets.steps import Setting
from bench.records import Record

_NO_SIDE = -1
Codes = npt.NDArray[np.int8]


class Options(Record):
    """Shares, and what is one group."""

    train: float = Field(0.8, ge=0, le=1)
    """Share of the rows."""
    validation: float = Field(0.1, ge=0, le=1)
    """Share of the rows."""
    test: float = Field(0.1, ge=0, le=1)
    """Share of the rows."""
    by_label: bool = True
    """Whether the shares hold for each label by itself."""
    similar: float = Field(0.55, ge=0.3, le=1)
    """Jaccard similarity of two texts of one group."""
    run: int = Field(2, ge=1, le=8)
    """Longest run of words that is compared, single words always."""
    ignore_numbers: bool = True
    """Whether texts that differ in their numbers alone are of one group."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if not math.isclose(self.train + self.validation + self.test, 1.0, abs_tol=1e-6):
            raise ValueError(
                f"train, validation and test add up to {self.train + self.validation + self.test:g}, not to 1"
            )
        return self

    @property
    def shares(self) -> tuple[float, float, float]:
        """In the order of SPLITS."""
        return self.train, self.validation, self.test


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows, each with its side."""
    spool = setting.spool()
    with ShingleFile(setting.scratch, options.run, ignore_numbers=options.ignore_numbers) as file:
        seen = _Seen(setting, options, file)
        for row in spool.passing(rows):
            seen.add(row)
        sides, own = seen.sides()
    for place, row in enumerate(spool):
        side = int(sides[place])
        if own[place] == side or seen.is_free[place]:
            yield row._replace(split=SPLITS[side])
        else:
            setting.counts[f"left out: the same as in {SPLITS[side]}"] += 1
    spool.remove()


class _Seen:
    """What is known of the rows, by their place."""

    def __init__(self, setting: Setting, options: Options, file: ShingleFile) -> None:
        self._setting, self._options, self._file = setting, options, file
        self._first: dict[bytes, int] = {}
        self._links: list[tuple[int, int]] = []
        self._labels: list[int] = []
        self._names: dict[str | None, int] = {}
        self._own: list[int] = []
        self._draws: list[int] = []
        self.is_free: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        """Rows whose group no source has put on a side."""

    def add(self, row: Row) -> None:
        place = len(self._own)
        self._file.add(row.text)
        text = text_key(row.text, "words")
        for shared in _shared(row, text):
            earlier = self._first.setdefault(shared, place)
            if earlier != place:
                self._links.append((earlier, place))
        self._labels.append(self._names.setdefault(row.label, len(self._names)))
        self._own.append(_NO_SIDE if row.split is None else SPLITS.index(row.split))
        self._draws.append(int.from_bytes(digest(self._setting.seed, text)[:7], "big"))

    def sides(self) -> tuple[Codes, Codes]:
        """The side of each row, and the one that its source gave it."""
        self._first.clear()
        groups = Groups(len(self._own))
        for a, b in self._links:
            groups.unite(a, b)
        found = linked(self._file.shingles(), self._options.similar, groups)
        counts = self._setting.counts
        counts["compared with too many others to be sure"] += found.n_not_finished
        group, own = found.earlier, np.array(self._own, dtype=np.int8)
        n_of = np.bincount(group, minlength=len(group))
        counts["groups"] += int((n_of > 0).sum())
        counts["rows in the largest group"] += int(n_of.max(initial=0))
        fixed = np.full(len(group), _NO_SIDE, dtype=np.int8)
        np.maximum.at(fixed, group, own)  # SPLITS is in the order of protection
        self.is_free = fixed[group] == _NO_SIDE
        drawn = self._drawn(group, n_of, fixed)
        return np.where(self.is_free, drawn[group], fixed[group]).astype(np.int8), own

    def _drawn(self, group: npt.NDArray[np.int64], n_of: npt.NDArray[np.int64], fixed: Codes) -> Codes:
        """A side for every group that has none yet: the largest first, then as the seed draws."""
        draw = np.full(len(group), np.iinfo(np.int64).max, dtype=np.int64)
        np.minimum.at(draw, group, np.array(self._draws, dtype=np.int64))
        free = np.flatnonzero((n_of > 0) & (fixed == _NO_SIDE))
        order = free[np.lexsort((free, draw[free], -n_of[free]))]
        by_label = self._options.by_label
        tallies: Counter[tuple[int, int]] = Counter()
        drawn = np.zeros(len(group), dtype=np.int8)
        shares = self._options.shares
        for first in order.tolist():
            label = self._labels[first] if by_label else 0
            n = int(n_of[first])
            n_before = sum(tallies[label, side] for side in range(3))
            wanting = [shares[side] * (n_before + n) - tallies[label, side] for side in range(3)]
            side = max((side for side in range(3) if shares[side]), key=lambda side: wanting[side])
            tallies[label, side] += n
            drawn[first] = side
        return drawn


def _shared(row: Row, text: str) -> Iterator[bytes]:
    """What makes rows of one group, besides similar texts."""
    yield digest("text", text)
    for _, part in row.parts:
        yield digest("text", text_key(part, "words"))
    if row.id is not None:
        yield digest("id", row.source, row.id)
    if row.group is not None:
        yield digest("group", row.source, row.group)
