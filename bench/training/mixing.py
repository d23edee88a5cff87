"""The two cures for forgetting, as the order in which a training sees its examples.

    texts_to_mix   general text mixed in, as a share of all sequences
    interleaved    where among the examples these texts stand
    together       several tasks, shuffled into one another
    gradually      several tasks, one after the other, with a part of the earlier ones seen again

In: examples of one or several tasks, raw documents, a seed. Out: tuples, the same for the same seed. No
tokens, no model and no file: a method trains on what it is given. Which cure pays is measured by
`bench evaluate` (forgetting), and not promised here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Generic, NamedTuple, TypeVar

ItemT = TypeVar("ItemT")


class Mixed(NamedTuple, Generic[ItemT]):
    """General text to be mixed in."""

    texts: tuple[ItemT, ...]
    """As many as the share asks for; documents stand again where there are too few."""
    n_documents: int
    """Different ones among them."""


def n_to_mix(n_examples: int, share: float) -> int:
    """How many of n / (n_examples + n) make `share`, rounded; 0 without a share or without examples.

    ValueError for a share outside 0 <= share < 1.
    """
    if not 0 <= share < 1:
        raise ValueError(f"a share of {share:g} of the sequences is not possible; it is at least 0, below 1")
    return round(n_examples * share / (1 - share))


def texts_to_mix(documents: Sequence[ItemT], n_examples: int, share: float, seed: int) -> Mixed[ItemT]:
    """Documents, or pieces of them, drawn so that they are `share` of all sequences, in a random order.

    Without replacement; where the documents are fewer, all of them are drawn as often, each round in a new
    order. None at all where there are no documents.
    """
    wanted = n_to_mix(n_examples, share) if documents else 0
    drawn: list[ItemT] = []
    for turn in range(-(-wanted // len(documents)) if wanted else 0):
        drawn += _shuffled(documents, seed, "texts", turn)
    return Mixed(tuple(drawn[:wanted]), min(wanted, len(documents)))


def interleaved(items: Sequence[ItemT], among: Sequence[ItemT]) -> tuple[ItemT, ...]:
    """`items` in their order with `among` spread evenly between them, in their order too.

    At every point of the result the share of `among` is within one item of that of the whole, so that an
    order that matters (tasks introduced gradually) is met by general text from its beginning to its end.
    """
    n, m = len(items), len(among)
    if not m:
        return tuple(items)
    # an item stands at the middle of its own part of the whole: Bresenham's line, in integers
    places = [((2 * i + 1) * m, 0, i) for i in range(n)] + [((2 * j + 1) * n, 1, j) for j in range(m)]
    return tuple((among if kind else items)[place] for _, kind, place in sorted(places))


def together(by_task: Mapping[str, Sequence[ItemT]], seed: int) -> tuple[ItemT, ...]:
    """All tasks' examples in one random order; a larger task is seen more often."""
    return tuple(_shuffled([item for items in by_task.values() for item in items], seed, "together"))


class Stage(NamedTuple):
    """One task's turn."""

    task: str
    n_own: int
    """Sequences of this task in it."""
    n_rehearsed: int
    """Sequences of earlier tasks in it."""


class Gradual(NamedTuple, Generic[ItemT]):
    """Tasks one after the other, in the order they are to be trained on."""

    items: tuple[ItemT, ...]
    stages: tuple[Stage, ...]


def gradually(
    by_task: Mapping[str, Sequence[ItemT]], rehearsed: float, seed: int, passes: int = 1
) -> Gradual[ItemT]:
    """Each task in its turn, in the mapping's order; `rehearsed` of a later turn is earlier tasks again.

    A turn holds its task's examples `passes` times, each pass shuffled anew: what epochs are to a training
    that sees everything at once. What is seen again is drawn evenly from the tasks before, without
    replacement for as long as there are others. ValueError as `n_to_mix`, and for less than one pass.
    """
    if passes < 1:
        raise ValueError(f"{passes} passes over the examples; give at least 1")
    items: list[ItemT] = []
    stages: list[Stage] = []
    earlier: dict[str, Sequence[ItemT]] = {}
    for task, own in by_task.items():
        turn = [item for n in range(passes) for item in _shuffled(own, seed, task, n)]
        again = _evenly(earlier, n_to_mix(len(turn), rehearsed) if earlier else 0, f"{seed}/{task}")
        items += _shuffled([*turn, *again], seed, task, "turn")
        stages.append(Stage(task, len(turn), len(again)))
        earlier[task] = own
    return Gradual(tuple(items), tuple(stages))


def _evenly(pools: Mapping[str, Sequence[ItemT]], n: int, seed: str) -> list[ItemT]:
    """`n` items, one task after the other in turn; a task's own are shuffled anew when all were drawn."""
    full = [(task, pool) for task, pool in pools.items() if pool]
    drawn: list[ItemT] = []
    for place, (task, pool) in enumerate(full):
        share = n // len(full) + (place < n % len(full))
        for turn in range(-(-share // len(pool))):
            drawn += _shuffled(pool, seed, task, turn)[: share - turn * len(pool)]
    return drawn


def _shuffled(items: Sequence[ItemT], *seed: object) -> list[ItemT]:
    """The items in an order that the seed alone decides."""
    order = list(items)
    Random("/".join(map(str, seed))).shuffle(order)
    return order
