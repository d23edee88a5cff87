"""The sets of word runs of many texts, 8 bytes a run, in a temporary file.

A text's set holds its words and its runs of up to `run` words: single words make a set tolerant of a word
put in, which breaks two runs; runs of two make it tell texts of the same words apart, and are rare, so
that a search has few to look up.

In: texts. Out: `Shingles`: for each text its runs as sorted 64-bit numbers, and how common each number is.
Counts are kept in two times 2^25 cells that several numbers share, so memory does not grow with the texts:
a count is never too low. Two runs of different words have the same number with probability 2^-64.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from bench.datasets.row import without_numbers, words
from bench.errors import disk_errors

Numbers = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

_CELLS = 2**25
_MOST_COUNTED = 2**16 - 1
_WORDS_PER_BLOCK = 400_000
_MOST_WORDS_KNOWN = 500_000
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


class Shingles(NamedTuple):
    """The sets of n texts."""

    runs: Numbers
    """All sets one after the other, each sorted."""
    starts: Places
    """n + 1 places: set i is `runs[starts[i]:starts[i + 1]]`."""
    cells: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]
    """How many sets hold the numbers of one cell, for two ways to put numbers into cells."""

    @property
    def n_texts(self) -> int:
        """How many."""
        return len(self.starts) - 1

    def counts(self, runs: Numbers) -> npt.NDArray[np.uint16]:
        """How many sets hold each number, or more; 65,535 stands for all that are at least as many."""
        return np.minimum(self.cells[0][_cell(runs, 0)], self.cells[1][_cell(runs, 1)])

    def of(self, place: int) -> set[int]:
        """One set."""
        return set(self.runs[self.starts[place] : self.starts[place + 1]].tolist())


class ShingleFile:
    """Takes texts; use as a context manager."""

    def __init__(self, folder: Path, run: int, *, ignore_numbers: bool = False) -> None:
        self._path = folder / f"runs-{id(self)}"
        self._file = self._path.open("wb")
        self._run = run
        self._ignore_numbers = ignore_numbers
        self._numbers: dict[str, int] = {}
        self._words: list[int] = []
        self._lengths: list[int] = []
        self._apart: list[int] = []
        self._sizes: list[npt.NDArray[np.int64]] = []
        self._cells = (np.zeros(_CELLS, dtype=np.uint16), np.zeros(_CELLS, dtype=np.uint16))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def add(self, text: str, *, apart: int = 0) -> None:
        """One text. Texts with different `apart` share no run."""
        found = words(text)
        if self._ignore_numbers:
            found = without_numbers(found)
        self._words += [self._number(word) for word in found]
        self._lengths.append(len(found))
        self._apart.append(apart)
        if len(self._words) >= _WORDS_PER_BLOCK:
            self._flush()

    def shingles(self) -> Shingles:
        """What was added; call once, after the last text, inside the `with` block."""
        self._flush()
        self._file.close()
        self._numbers = {}
        sizes = np.concatenate(self._sizes) if self._sizes else np.zeros(0, dtype=np.int64)
        starts = np.zeros(len(sizes) + 1, dtype=np.int64)
        np.cumsum(sizes, out=starts[1:])
        empty = np.zeros(0, dtype=np.uint64)
        # as a plain array: each slice of a memmap would cost ten times as much
        runs = np.asarray(np.memmap(self._path, dtype=np.uint64, mode="r")) if starts[-1] else empty
        return Shingles(runs, starts, self._cells)

    def _number(self, word: str) -> int:
        found = self._numbers.get(word)
        if found is None:
            if len(self._numbers) >= _MOST_WORDS_KNOWN:
                self._numbers.clear()
            raw = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            found = self._numbers[word] = int.from_bytes(raw, "little")
        return found

    def _flush(self) -> None:
        if not self._lengths:
            return
        texts, runs = _runs(
            np.array(self._words, dtype=np.uint64),
            np.array(self._lengths, dtype=np.int64),
            np.array(self._apart, dtype=np.uint64),
            self._run,
        )
        for way, cells in enumerate(self._cells):
            place, n = np.unique(_cell(runs, way), return_counts=True)
            cells[place] = np.minimum(cells[place] + n, _MOST_COUNTED)
        self._sizes.append(np.bincount(texts, minlength=len(self._lengths)).astype(np.int64))
        with disk_errors(self._path):
            self._file.write(runs.tobytes())
            self._file.flush()
        self._words, self._lengths, self._apart = [], [], []


def _runs(flat: Numbers, lengths: Places, apart: Numbers, run: int) -> tuple[Places, Numbers]:
    """The text and the number of every run, sorted, each number once a text."""
    text_of = np.repeat(np.arange(len(lengths)), lengths)
    n_after = np.cumsum(lengths)[text_of] - np.arange(len(flat))
    first = np.arange(len(flat))
    number = apart[text_of]
    found: list[tuple[Places, Numbers]] = []
    for length in range(1, run + 1):
        is_whole = n_after[first] >= length
        first = first[is_whole]
        number = _mixed(number[is_whole] ^ flat[first + length - 1])
        found.append((text_of[first], number))
    texts, numbers = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((numbers, texts))
    texts, numbers = texts[order], numbers[order]
    is_new = np.ones(len(texts), dtype=bool)
    is_new[1:] = (texts[1:] != texts[:-1]) | (numbers[1:] != numbers[:-1])
    return texts[is_new], numbers[is_new]


def _mixed(numbers: Numbers) -> Numbers:
    mixed = numbers * _FACTOR
    mixed ^= mixed >> _SHIFT
    mixed *= _FACTOR
    return mixed


def _cell(runs: Numbers, way: int) -> Places:
    return ((runs >> np.uint64(38 if way else 12)) & np.uint64(_CELLS - 1)).astype(np.int64)


def blocks(n: int, size: int = 20_000) -> Iterator[tuple[int, int]]:
    """First and last place (exclusive) of blocks of `size`."""
    for first in range(0, n, size):
        yield first, min(first + size, n)
