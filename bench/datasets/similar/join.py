"""Every pair of sets with a Jaccard similarity of at least t, found exactly.

In: Shingles and a threshold. Out: for each text the earlier one that it repeats (`first_similar`), or
groups of texts that are linked by similar ones (`linked`). Method: prefix filtering. With every set in
one order, the rarest run first, two sets whose similarity is t or more share L runs among the first
n - ceil(t n) + L of each, or ceil(t n) where that is fewer (Bayardo, Ma, Srikant: Scaling up all pairs
similarity search, WWW 2007; with more than one shared run: Wang, Li, Feng: Can we beat the prefix
filtering?, SIGMOD 2012). So only rare runs are looked up, and only texts that share L of them compared.

A text that meets more than `MOST_MET` others in its rare runs is compared with the first so many and
counted: texts made of one template would otherwise take quadratic time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.datasets.similar.shingles import Numbers, Places, Shingles, blocks

MOST_MET = 20_000
"""Earlier texts, each as often as it shares a rare run, that one text is held against."""
_SHARED = 3
"""L: runs that two similar texts share among their rarest."""
_TINY = 1e-9  # 0.8 * 5 is 4.000000000000001 in floating point, and its ceiling is not to be 5


class Found(NamedTuple):
    """What a search found."""

    earlier: Places
    """For each text the place of an earlier one: the one it repeats (-1: none), or the first of its group."""
    n_not_finished: int
    """Texts that met too many others to be held against all of them."""


def first_similar(shingles: Shingles, threshold: float) -> Found:
    """For each text an earlier one that stays and is similar, -1 where it stays itself.

    No two texts that stay are similar, and each that goes is similar to one that stays.
    """
    earlier = np.full(shingles.n_texts, -1, dtype=np.int64)
    same = _first_equal(shingles)
    meetings = _Meetings(shingles, threshold)
    for place in range(shingles.n_texts):
        equal = int(same[place])
        if equal != place:
            earlier[place] = equal if earlier[equal] < 0 else earlier[equal]
            continue
        own: set[int] | None = None
        for other in meetings.of(place):
            own = shingles.of(place) if own is None else own
            if meetings.is_similar(own, other):
                earlier[place] = other
                break
        else:
            meetings.remember(place)
    return Found(earlier, meetings.n_not_finished)


def linked(shingles: Shingles, threshold: float, groups: Groups) -> Found:
    """Put similar texts into one group, whoever comes first."""
    same = _first_equal(shingles)
    meetings = _Meetings(shingles, threshold)
    for place in range(shingles.n_texts):
        equal = int(same[place])
        if equal != place:
            groups.unite(place, equal)
            continue
        own: set[int] | None = None
        for other in meetings.of(place):
            if groups.first(other) != groups.first(place):
                own = shingles.of(place) if own is None else own
                if meetings.is_similar(own, other):
                    groups.unite(place, other)
        meetings.remember(place)
    return Found(groups.firsts(), meetings.n_not_finished)


class Groups:
    """Disjoint groups of texts 0 to n - 1; a group is called by its first text."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def first(self, place: int) -> int:
        """The first text of its group."""
        parent = self._parent
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    def unite(self, a: int, b: int) -> None:
        """Make one group of two."""
        first, second = sorted((self.first(a), self.first(b)))
        self._parent[second] = first

    def firsts(self) -> Places:
        """The first text of each text's group."""
        return np.array([self.first(place) for place in range(len(self._parent))], dtype=np.int64)


class _Meetings:
    """Which earlier texts share rare runs with a text; texts are asked for in their order."""

    def __init__(self, shingles: Shingles, threshold: float) -> None:
        self._shingles, self._threshold = shingles, threshold
        self._sizes = np.diff(shingles.starts)
        self._needed = np.minimum(_least_shared(self._sizes, threshold), _SHARED)
        texts, runs = _rarest(shingles, threshold)
        run_of, n_of = _numbered(runs)
        del runs
        is_met = n_of[run_of] > 1  # a run that no other text has among its rarest brings nobody together
        texts, run_of = texts[is_met], run_of[is_met]
        self._first = np.searchsorted(texts, np.arange(shingles.n_texts + 1))
        self._runs = run_of
        self._begin = np.concatenate(([0], np.cumsum(np.where(n_of > 1, n_of, 0))))
        self._met = np.zeros(len(run_of), dtype=np.int32)
        self._n_met = np.zeros(len(n_of), dtype=np.int32)
        self.n_not_finished = 0

    def of(self, place: int) -> list[int]:
        """Earlier texts, remembered, that share as many rare runs with it as a similar one must."""
        runs = self._runs[self._first[place] : self._first[place + 1]]
        ends = self._n_met[runs]
        shared: Counter[int] = Counter()
        left = MOST_MET
        begins = self._begin[runs]
        for begin, n in zip(begins.tolist(), ends.tolist(), strict=True):
            if n:
                shared.update(self._met[begin : begin + min(n, left)].tolist())
                if n > left:
                    self.n_not_finished += 1
                    break
                left -= n
        needed = int(self._needed[place])
        return sorted(other for other, n in shared.items() if n >= needed)

    def remember(self, place: int) -> None:
        """Let later texts meet this one."""
        runs = self._runs[self._first[place] : self._first[place + 1]]
        self._met[self._begin[runs] + self._n_met[runs]] = place
        self._n_met[runs] += 1

    def is_similar(self, own: set[int], other: int) -> bool:
        """Whether the similarity reaches the threshold."""
        size = int(self._sizes[other])
        low, high = (size, len(own)) if size < len(own) else (len(own), size)
        if low < self._threshold * high - _TINY:
            return False
        n_shared = len(own & self._shingles.of(other))
        return n_shared >= self._threshold * (size + len(own) - n_shared) - _TINY


def _first_equal(shingles: Shingles) -> Places:
    """For each text the first with the same set: most repetitions are whole ones, and need no comparison."""
    if not shingles.n_texts:
        return np.zeros(0, dtype=np.int64)
    sums, marks = [], []
    for first, last in blocks(shingles.n_texts):
        begin, end = shingles.starts[first], shingles.starts[last]
        runs = np.asarray(shingles.runs[begin:end])
        heads = shingles.starts[first:last] - begin
        # two sums of 64-bit hashes: equal sets give equal ones, others with probability 2^-64
        sums.append(np.add.reduceat(runs, heads))
        marks.append(np.bitwise_xor.reduceat(runs, heads))
    all_sums, all_marks = np.concatenate(sums), np.concatenate(marks)
    order = np.lexsort((all_marks, all_sums))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = np.diff(all_sums[order]).astype(bool) | np.diff(all_marks[order]).astype(bool)
    heads = order[np.maximum.accumulate(np.where(is_new, np.arange(len(order)), 0))]
    found = np.empty(len(order), dtype=np.int64)
    found[order] = heads  # lexsort is stable, so the head of equal ones is the first of them
    return found


def _least_shared(sizes: Places, threshold: float) -> Places:
    """Fewest runs that a set of each size shares with a similar one."""
    least: Places = np.ceil(threshold * sizes - _TINY).astype(np.int64)
    return least


def _rarest(shingles: Shingles, threshold: float) -> tuple[npt.NDArray[np.int32], Numbers]:
    """Text and run of those of each text's rarest runs that another text may have, by text."""
    texts, runs = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.uint64)]
    for some_texts, some_runs in _rarest_by_block(shingles, threshold):
        texts.append(some_texts)
        runs.append(some_runs)
    return np.concatenate(texts), np.concatenate(runs)


def _rarest_by_block(shingles: Shingles, threshold: float) -> Iterator[tuple[npt.NDArray[np.int32], Numbers]]:
    for first, last in blocks(shingles.n_texts):
        begin, end = shingles.starts[first], shingles.starts[last]
        runs = np.asarray(shingles.runs[begin:end])
        sizes = np.diff(shingles.starts[first : last + 1])
        texts = np.repeat(np.arange(last - first, dtype=np.int32), sizes)
        counts = shingles.counts(runs)
        order = np.lexsort((runs, counts, texts))
        rank = np.arange(len(runs)) - np.repeat(shingles.starts[first:last] - begin, sizes)
        least = _least_shared(sizes, threshold)
        prefix = sizes - least + np.minimum(least, _SHARED)
        is_wanted = (rank < prefix[texts]) & (counts[order] > 1)
        yield texts[is_wanted] + np.int32(first), runs[order][is_wanted]


def _numbered(runs: Numbers) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Runs as numbers from 0, and how often each number is there."""
    order = np.argsort(runs, kind="stable")
    ordered = runs[order]
    is_new = np.ones(len(runs), dtype=bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    del ordered
    number = np.empty(len(runs), dtype=np.int32)
    number[order] = np.cumsum(is_new, dtype=np.int32) - np.int32(1)
    return number, np.bincount(number, minlength=0).astype(np.int32)
