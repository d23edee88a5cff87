"""Tokens, cost and agreement: what a labelling took and what it is worth.

In: the journal, the jobs and the verdicts. Out: numbers for the card. A server that does not count leaves
its calls without a cost, and they are counted as such; nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.analysis import raters
from bench.datasets.labellers import Labeller, Labelling, Price
from bench.labelling.journal import Journal, Key
from bench.labelling.plan import Item, Job
from bench.records import AnswerSchema, Completion, Verdict


def cost(completion: Completion, price: Price) -> float | None:
    """What one answer costs; None where its tokens were not told."""
    if completion.prompt_tokens is None or completion.completion_tokens is None:
        return None
    cached = completion.cached_tokens or 0
    at_cached = price.prompt if price.cached is None else price.cached
    read = (completion.prompt_tokens - cached) * price.prompt + cached * at_cached
    return (read + completion.completion_tokens * price.completion) / 1e6


def spent(journal: Journal, section: Labelling) -> float:
    """What all answers cost so far, as far as their tokens are known."""
    prices = {labeller.name: labeller.price for labeller in section.labellers}
    total = 0.0
    for (_, name), past in journal.past.items():
        price = prices.get(name)
        if price is not None:
            total += sum(cost(completion, price) or 0.0 for completion in past.answers.values())
    return total


def by_labeller(journal: Journal, jobs: Iterable[Job], verdicts: Mapping[Key, Verdict]) -> dict[str, Any]:
    """Calls, tokens and cost of each labeller."""
    found: dict[str, dict[str, Any]] = {}
    for job in jobs:
        counts = found.setdefault(job.labeller.name, _nothing(job.labeller))
        past = journal.of(job.key)
        counts["items"] += 1
        counts["labelled"] += job.key in verdicts
        counts["failed_calls"] += past.n_failed
        counts["interrupted_calls"] += past.n_interrupted
        for completion in past.answers.values():
            _add(counts, completion, job.labeller.price)
    for counts in found.values():
        counts["calls"] = counts["answers"] + counts["failed_calls"]
    return found


def _nothing(labeller: Labeller) -> dict[str, Any]:
    names = ("items", "labelled", "calls", "answers", "failed_calls", "interrupted_calls")
    counted: dict[str, Any] = dict.fromkeys(names, 0)
    counted |= {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0, "answers_not_counted": 0}
    return {"model": labeller.model, **counted, "cost": None if labeller.price is None else 0.0}


def _add(counts: dict[str, Any], completion: Completion, price: Price | None) -> None:
    counts["answers"] += 1
    counts["prompt_tokens"] += completion.prompt_tokens or 0
    counts["cached_tokens"] += completion.cached_tokens or 0
    counts["completion_tokens"] += completion.completion_tokens or 0
    is_counted = completion.prompt_tokens is not None and completion.completion_tokens is not None
    counts["answers_not_counted"] += not is_counted
    if price is not None:
        counts["cost"] = round(counts["cost"] + (cost(completion, price) or 0.0), 10)


def agreement(
    items: tuple[Item, ...],
    section: Labelling,
    verdicts: Mapping[Key, Verdict],
    schema: AnswerSchema,
    seed: int,
) -> dict[str, Any]:
    """How far labellers agree on the items that several of them answered; {} where there are none."""
    names = [labeller.name for labeller in section.labellers]
    labels: list[list[str | None]] = []
    scores: list[list[float | None]] = []
    for item in items:
        given = [verdicts.get((item.id, name)) for name in names]
        if sum(verdict is not None for verdict in given) < 2:
            continue
        answers = [None if verdict is None else verdict.answer for verdict in given]
        labels.append([None if answer is None else schema.label_of(answer) for answer in answers])
        if schema.score is not None:
            scores.append([None if answer is None else float(answer[schema.score]) for answer in answers])
    if not labels:
        return {}
    found: dict[str, Any] = {"items_with_several_answers": len(labels)}
    if any(label is not None for row in labels for label in row):
        found["label_alpha"] = raters.krippendorff_nominal(labels, seed=seed)._asdict()
        found["label_kappa"] = {
            f"{names[a]} and {names[b]}": raters.cohen_kappa(
                [(row[a], row[b]) for row in labels], seed=seed
            )._asdict()
            for a in range(len(names))
            for b in range(a + 1, len(names))
        }
    if scores:
        found["score_alpha"] = raters.krippendorff_interval(scores, seed=seed)._asdict()
    return found
