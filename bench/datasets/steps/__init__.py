"""Steps: one file each, from rows to rows, in the order of the recipe.

A step is a module with

    Options                              a Record: what a recipe may say of it
    apply(rows, options, setting)        the rows that stay, changed or not; a generator

In: rows as they come. Out: rows in the same order. `setting.counts` gets what was done to how many, which
the card shows beside the rows before and after. A step that has to see all rows first keeps them in
`setting.spool()`. Everything random follows from `setting.random()`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Protocol

from bench import plugins
from bench.datasets.row import Row
from bench.datasets.spool import Spool
from bench.records import Record

ROOM = "datasets.steps"

Evaluation = Callable[[str], Iterable[str]]
"""The texts of an evaluation set by its name or path."""


@dataclass
class Setting:
    """What a step has besides its rows."""

    seed: str
    """The recipe's seed and the step's place."""
    scratch: Path
    """An empty folder that goes with the build."""
    evaluation: Evaluation
    """How the articles of an evaluation set are read."""
    counts: Counter[str] = field(default_factory=Counter)
    """What was done to how many rows."""

    def spool(self) -> Spool:
        """A new temporary file of rows."""
        return Spool(self.scratch)

    def random(self) -> Random:
        """A new stream of random numbers, the same in every build."""
        return Random(self.seed)


class Step(Protocol):
    """What a step's module offers."""

    Options: ClassVar[type[Record]]

    @staticmethod
    def apply(rows: Iterable[Row], options: Any, setting: Setting) -> Iterator[Row]:
        """The rows that stay."""


def load(name: str) -> Step:
    """A step by its name; ConfigError with the known names where there is none."""
    return plugins.load(ROOM, name)  # type: ignore[return-value]
