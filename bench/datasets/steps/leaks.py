"""Whatever appears in an evaluation set is taken out of the training data.

    - step: leaks
      against: [articles/news.jsonl]

In: rows, and the texts of evaluation sets. Out: rows of which none appears in an evaluation text: neither
`contained` of its word runs are in one text, nor has it most of one evaluation text in it, nor is it nearly
the same as one (`similar`). A row of fewer words than a run counts when its words are a whole
evaluation text. Evaluation texts are held in memory, as hashes of their runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from pydantic import Field

from bench.datasets.mojibake import mended
from bench.datasets.row import Row, words
from bench.datasets.steps import Setting
from bench.errors import ConfigError
from bench.records import Record, Text

_KINDS = ("utf8_as_latin1", "utf8_as_cp850")
_SHORT = 2


class Options(Record):
    """Against what, and how much is too much."""

    against: tuple[Text, ...] = Field(min_length=1)
    """Frozen sets by name, or files of articles."""
    contained: float = Field(0.6, gt=0, le=1)
    """Share of the shorter text's runs that are in the longer one."""
    similar: float = Field(0.5, gt=0, le=1)
    """Jaccard similarity of runs of two words."""
    run: int = Field(5, ge=2, le=12)
    """Words in a run."""


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows that appear in no evaluation text."""
    known = Known(options.run, options.contained, options.similar)
    for name in options.against:
        n_before = known.n_texts
        for text in setting.evaluation(name):
            known.add(text)
        if known.n_texts == n_before:
            raise ConfigError(f"step leaks: {name}: no evaluation text in it")
        setting.counts[f"evaluation texts of {PurePath(name).name}"] += known.n_texts - n_before
    for row in rows:
        if known.holds(row.text):
            setting.counts["left out: in an evaluation text"] += 1
        else:
            yield row


class Known:
    """The word runs of evaluation texts."""

    def __init__(self, run: int, contained: float, similar: float) -> None:
        self._run, self._contained, self._similar = run, contained, similar
        self._long: dict[int, list[int]] = defaultdict(list)
        self._short: dict[int, list[int]] = defaultdict(list)
        self._whole: set[tuple[str, ...]] = set()
        self._sizes: list[tuple[int, int]] = []
        self.n_texts = 0

    def add(self, text: str) -> None:
        """One evaluation text; a damaged one as it would be when mended, too."""
        self.n_texts += 1
        self._add(text)
        repaired = mended(text, _KINDS).text  # type: ignore[arg-type]
        if repaired != text:
            self._add(repaired)

    def _add(self, text: str) -> None:
        found = words(text)
        place = len(self._sizes)
        long, short = runs(found, self._run), runs(found, _SHORT)
        self._sizes.append((len(long), len(short)))
        self._whole.add(tuple(found))
        for index, part in ((self._long, long), (self._short, short)):
            for each in part:
                index[each].append(place)

    def holds(self, text: str) -> bool:
        """Whether a text appears in one of them."""
        found = words(text)
        if tuple(found) in self._whole:
            return True
        short = runs(found, _SHORT)
        for place, n_shared in self._shared(self._short, short).items():
            if n_shared >= self._similar * (len(short) + self._sizes[place][1] - n_shared):
                return True
        long = runs(found, self._run)
        for place, n_shared in self._shared(self._long, long).items():
            if n_shared >= self._contained * min(len(long), self._sizes[place][0]):
                return True
        return False

    @staticmethod
    def _shared(index: dict[int, list[int]], parts: set[int]) -> Counter[int]:
        return Counter(place for part in parts for place in index.get(part, ()))


def runs(found: list[str], length: int) -> set[int]:
    """Hashes of the runs of `length` words; none where there are fewer words."""
    return {hash(tuple(found[i : i + length])) for i in range(len(found) - length + 1)}
