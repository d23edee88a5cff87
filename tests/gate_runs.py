"""Runs for the tests of gate, approval and comparison: scores per arm and article, written as a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import store
from bench.records import (
    ArmRecord,
    Completion,
    LoadedModel,
    ModelSpec,
    Outcome,
    Sample,
    Verdict,
)
from tests.builders import SCHEMA, article, manifest, sample, spec

TASK = {"name": "t", "version": "1", "digest": "d", "answer": SCHEMA.model_dump(mode="json")}
Scores = Sequence[Sequence[float | Outcome]]
"""Article x iteration: a score, or what became of the answer instead."""


def steady(
    n_articles: int = 40, iterations: int = 15, seed: int = 1, shift: float = 0.0
) -> list[list[float | Outcome]]:
    """An arm that answers with little noise, the same articles for every seed."""
    centres = np.linspace(-0.8, 0.8, n_articles)[:, None] + shift
    noise = 0.05 * np.random.default_rng(seed).standard_normal((n_articles, iterations))
    rounded: list[list[float | Outcome]] = np.round(np.clip(centres + noise, -1, 1), 4).tolist()
    return rounded


def write_run(
    scores: Mapping[str, Scores],
    run_id: str = "r",
    specs: Mapping[str, ModelSpec] | None = None,
    loaded: Mapping[str, LoadedModel] | None = None,
    titles: Mapping[int, str] | None = None,
    **fields: Any,
) -> Path:
    """A run below sentiments/ with an arm per quant."""
    n_articles = max(len(of_arm) for of_arm in scores.values())
    iterations = max(len(cell) for of_arm in scores.values() for cell in of_arm)
    articles = tuple(article(f"News {i}.", title=(titles or {}).get(i)) for i in range(n_articles))
    arms = specs or {quant: spec(quant) for quant in scores}
    made = manifest(
        list(arms.values()), articles, run_id=run_id, **{"task": TASK, "iterations": iterations, **fields}
    )
    records = tuple(
        ArmRecord(arm=one.arm, spec=one, loaded=(loaded or {}).get(quant)) for quant, one in arms.items()
    )
    with store.create_run(Path("sentiments"), made.model_copy(update={"arms": records}), articles) as writer:
        for quant, of_arm in scores.items():
            for item, cell in zip(articles, of_arm, strict=False):
                for iteration, score in enumerate(cell):
                    writer.append(_sample(run_id, arms[quant].arm, item.id, iteration, score))
    return Path("sentiments") / run_id


def _sample(run_id: str, arm: str, article_id: str, iteration: int, score: float | Outcome) -> Sample:
    if isinstance(score, Outcome):
        verdict, text = Verdict(outcome=score), "?"
    else:
        answer = {"reasoning": "x", "sentiment": score, "confidence": 0.5}
        verdict, text = Verdict(outcome=Outcome.VALID, answer=answer), json.dumps(answer)
    return sample(
        arm,
        prompt_id=f"p-{article_id}",
        run_id=run_id,
        article_id=article_id,
        iteration=iteration,
        completion=Completion(text=text, stop_reason="stop"),
        verdict=verdict,
    )
