"""Which item is asked of whom: in rotation, and of all where agreement is wanted.

In: rows and the section. Out: jobs, each with an id that a resume finds again. The same recipe gives the
same jobs in the same order. Rows that are the same item are one item.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from bench.data import article_of
from bench.datasets.labellers import Labeller, Labelling
from bench.datasets.row import Row
from bench.identity import content_id, sample_seed
from bench.records import Prompt, Style
from bench.tasks import Task


class Item(NamedTuple):
    """One row to label."""

    id: str
    """The id of its article."""
    row: Row


class Job(NamedTuple):
    """One item to be asked of one labeller."""

    item: Item
    labeller: Labeller

    @property
    def key(self) -> tuple[str, str]:
        """Item and labeller."""
        return self.item.id, self.labeller.name


def items(rows: Iterable[Row]) -> tuple[tuple[Item, ...], int]:
    """The items, and how many rows were one that is there already."""
    found: dict[str, Item] = {}
    n_again = 0
    for row in rows:
        item = Item(article_of(row).id, row)
        n_again += item.id in found
        found.setdefault(item.id, item)
    return tuple(found.values()), n_again


def jobs(wanted: tuple[Item, ...], section: Labelling, seed: int) -> tuple[Job, ...]:
    """Every job, item by item."""
    labellers = section.labellers
    shared = _shared(len(wanted), section.shared, seed)
    found = []
    for place, item in enumerate(wanted):
        n = len(labellers) if place in shared else section.per_item
        found += [Job(item, labellers[(place + turn) % len(labellers)]) for turn in range(n)]
    return tuple(found)


def prompt(task: Task, item: Item, style: Style) -> Prompt:
    """What is asked about an item."""
    return task.render(article_of(item.row), style)


def seed_of(seed: int, job: Job, attempt: int) -> int:
    """The seed that a call sends: another attempt has another."""
    return sample_seed(seed, job.labeller.name, job.item.id, attempt)


def call_id(seed: int, job: Job, attempt: int, n_failed: int, asked: Prompt) -> str:
    """What makes two calls the same: a call that failed and is sent again is another one."""
    labeller = job.labeller
    return content_id([labeller.name, labeller.model, asked.id, seed_of(seed, job, attempt), n_failed], 32)


def _shared(n: int, share: float, seed: int) -> frozenset[int]:
    n_shared = round(share * n)
    return frozenset(Random(f"{seed}/shared").sample(range(n), n_shared))
