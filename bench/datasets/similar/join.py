"""Every pair of sets with a Jaccard similarity of at least t, found exactly.

In: Shingles and a threshold. Out: for each text the earlier one that it repeats (`first_similar`), or
groups of texts that are linked by similar ones (`linked`). Method: prefix filtering. With the runs of
every set in one order, the rarest first, two sets whose similarity is t or more share a run among the
first n - ceil(t n) + 1 of each (Bayardo, Ma, Srikant: Scaling up all pairs similarity search, WWW 2007).
So only rare runs are looked up, and only pairs that share one are compared.

A text that has more than `MOST_COMPARED` candidates is compared with so many and counted: texts made of
one template would otherwise take quadratic time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bench.datasets.similar.shingles import Places, Shingles, blocks

MOST_COMPARED = 5000
"""Earlier texts that one text is compared with."""
_TINY = 1e-9  # 0.8 * 5 is 4.000000000000001 in floating point, and its ceiling is not to be 5


class Found(NamedTuple):
    """What a search found."""

    earlier: Places
    """For each text the place of an earlier one: the one it repeats, or the first of its group; -1 or
    itself where there is none."""
    n_not_finished: int
    """Texts with too many candidates to compare with all of them."""


class _Index:
    """Which texts have a run among their rarest."""

    def __init__(self) -> None:
        self._texts: dict[int, int | list[int]] = {}

    def candidates(self, runs: list[int]) -> list[int]:
        """Texts that share one of the runs, in order."""
        found: set[int] = set()
        for run in runs:
            texts = self._texts.get(run)
            if texts is None:
                continue
            if isinstance(texts, int):
                found.add(texts)
            else:
                found.update(texts)
        return sorted(found)

    def add(self, runs: list[int], place: int) -> None:
        for run in runs:
            texts = self._texts.setdefault(run, place)
            if isinstance(texts, list):
                texts.append(place)
            elif texts != place:
                self._texts[run] = [texts, place]


def first_similar(shingles: Shingles, threshold: float) -> Found:
    """For each text an earlier one that stays and is similar, -1 where it stays itself.

    No two texts that stay are similar, and each that goes is similar to one that stays.
    """
    earlier = np.full(shingles.n_texts, -1, dtype=np.int64)
    index, same = _Index(), _Same()
    n_not_finished = 0
    for place, runs in _rarest(shingles, threshold):
        equal = same.first(shingles, place)
        if equal != place:
            earlier[place] = equal if earlier[equal] < 0 else earlier[equal]
            continue
        candidates = index.candidates(runs)
        if candidates:
            n_not_finished += len(candidates) > MOST_COMPARED
            own = shingles.of(place)
            for candidate in candidates[:MOST_COMPARED]:
                if _is_similar(shingles, own, candidate, threshold):
                    earlier[place] = candidate
                    break
        if earlier[place] < 0:
            index.add(runs, place)
    return Found(earlier, n_not_finished)


def linked(shingles: Shingles, threshold: float, groups: Groups) -> Found:
    """Put similar texts into one group, whoever comes first."""
    index, same = _Index(), _Same()
    n_not_finished = 0
    for place, runs in _rarest(shingles, threshold):
        equal = same.first(shingles, place)
        if equal != place:
            groups.unite(place, equal)
            continue
        candidates = index.candidates(runs)
        if candidates:
            n_not_finished += len(candidates) > MOST_COMPARED
            _link(shingles, place, candidates[:MOST_COMPARED], threshold, groups)
        index.add(runs, place)
    return Found(groups.firsts(), n_not_finished)


def _link(shingles: Shingles, place: int, candidates: list[int], threshold: float, groups: Groups) -> None:
    own: set[int] | None = None
    for candidate in candidates:
        if groups.first(candidate) != groups.first(place):
            own = shingles.of(place) if own is None else own
            if _is_similar(shingles, own, candidate, threshold):
                groups.unite(place, candidate)


class _Same:
    """The first text with a set: most repetitions are whole ones, and need no comparison."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], int] = {}

    def first(self, shingles: Shingles, place: int) -> int:
        runs = shingles.runs[shingles.starts[place] : shingles.starts[place + 1]]
        # two sums of 64-bit hashes: equal sets give equal ones, others with probability 2^-64
        key = (int(runs.sum(dtype=np.uint64)), int(np.bitwise_xor.reduce(runs)))
        return self._first.setdefault(key, place)


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


def _is_similar(shingles: Shingles, own: set[int], other: int, threshold: float) -> bool:
    size = int(shingles.starts[other + 1] - shingles.starts[other])
    low, high = sorted((size, len(own)))
    if low < threshold * high - _TINY:
        return False
    n_shared = len(own & shingles.of(other))
    return n_shared >= threshold * (size + len(own) - n_shared) - _TINY


def _rarest(shingles: Shingles, threshold: float) -> Iterator[tuple[int, list[int]]]:
    """Each text with those of its rarest runs that another text may share."""
    for first, last in blocks(shingles.n_texts):
        begin, end = shingles.starts[first], shingles.starts[last]
        runs = np.asarray(shingles.runs[begin:end])
        sizes = np.diff(shingles.starts[first : last + 1])
        texts = np.repeat(np.arange(last - first), sizes)
        counts = shingles.counts(runs)
        order = np.lexsort((runs, counts, texts))
        rank = np.arange(len(runs)) - np.repeat(shingles.starts[first:last] - begin, sizes)
        prefix = sizes - np.ceil(threshold * sizes - _TINY).astype(np.int64) + 1
        is_wanted = (rank < prefix[texts]) & (counts[order] > 1)
        wanted, owners = runs[order][is_wanted], texts[is_wanted]
        ends = np.searchsorted(owners, np.arange(last - first + 1))
        flat = wanted.tolist()
        for text in range(last - first):
            yield first + text, flat[ends[text] : ends[text + 1]]
