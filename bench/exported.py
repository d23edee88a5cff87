"""A run as other tools see it: items, each with its prompt and every answer of one arm.

In: a run. Out: one `Asked` per arm and article, with every answer marked right or wrong where the article has
a label. It writes nothing: `bench.inspect_log` and `bench.lm_eval_log` do, and `bench.seed.export` has a
layout of its own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench import store, tasks
from bench.errors import BenchError, UsageError, disk_errors
from bench.reading import answer_schema
from bench.records import (
    FAILED_MEASUREMENTS,
    AnswerSchema,
    ArmRecord,
    Article,
    Manifest,
    Message,
    Outcome,
    Style,
)

Row = Mapping[str, Any]
"""A sample in the form of `samples/<arm>.jsonl`."""


class Answered(NamedTuple):
    """One answer, held against the article's label and reference score."""

    row: Row
    measured: bool
    """False where the measurement failed: it is neither right nor wrong."""
    valid: bool
    label: str | None
    """What it is read as; None where it is in no category."""
    score: float | None
    """The task's score; None unless valid."""
    right: bool | None
    """None where the article has no label, or the measurement failed."""


class Asked(NamedTuple):
    """One article with every answer of one arm, in the order of the iterations."""

    article: Article
    messages: tuple[Message, ...]
    """The prompt as it was sent; empty where the task is no longer what the run used."""
    answers: tuple[Answered, ...]

    @property
    def target(self) -> str:
        """The right label, else the reference score; empty where neither is known."""
        score = self.article.reference_score
        return self.article.label or ("" if score is None else f"{score:g}")

    @property
    def share_right(self) -> float:
        """Share of the measured answers that are right; NaN without a label or a measured answer."""
        marks = [one.right for one in self.answers if one.right is not None]
        return sum(marks) / len(marks) if marks else math.nan


class Exported(NamedTuple):
    """One arm of a run."""

    manifest: Manifest
    record: ArmRecord
    schema: AnswerSchema
    items: tuple[Asked, ...]

    @property
    def accuracy(self) -> tuple[float, float]:
        """Mean over items of the share of right answers, and its standard error; NaN where undefined."""
        shares = [x for x in (item.share_right for item in self.items) if not math.isnan(x)]
        n = len(shares)
        mean = math.fsum(shares) / n if n else math.nan
        if n < 2:
            return mean, math.nan
        return mean, math.sqrt(math.fsum((x - mean) ** 2 for x in shares) / (n - 1) / n)

    @property
    def prompt_known(self) -> bool:
        """Whether the prompts are those that were sent."""
        return any(item.messages for item in self.items)


def write_export(run_dir: Path, target: Path, write: Callable[[Exported, Path], Path]) -> list[Path]:
    """Write every arm of the run in `run_dir` below `target`, which must be new or empty; the paths made."""
    run = store.open_run(run_dir)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty; give a new folder")
    with disk_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    return [write(arm, target) for arm in exported(run)]


def exported(run: store.Run) -> Iterator[Exported]:
    """Every arm in the run's order."""
    schema, articles = answer_schema(run.manifest), run.articles()
    prompts = _Prompts(run.manifest)
    for record in run.manifest.arms:
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in run.samples(record.arm):
            rows[row["article_id"]].append(row)
        items = tuple(
            Asked(
                article,
                prompts.of(article, record.spec.prompt_style, rows[article.id][0]["prompt_id"]),
                tuple(
                    _answered(row, article, schema)
                    for row in sorted(rows[article.id], key=lambda row: row["iteration"])
                ),
            )
            for article in articles
            if article.id in rows
        )
        yield Exported(run.manifest, record, schema, items)


def _answered(row: Row, article: Article, schema: AnswerSchema) -> Answered:
    outcome = row["verdict"]["outcome"]
    measured, valid = outcome not in FAILED_MEASUREMENTS, outcome == Outcome.VALID
    answer = row["verdict"]["answer"] if valid else {}
    label = schema.label_of(answer) if valid else None
    score = answer.get(schema.score) if schema.score else None
    # a label that is none of the task's could not be answered: it is no item
    known = article.label in schema.label_names
    right = label == article.label if measured and known else None
    return Answered(row, measured, valid, label, None if score is None else float(score), right)


class _Prompts:
    """The run's prompts, rendered again where the task is still the one that the run used."""

    def __init__(self, manifest: Manifest) -> None:
        self._task: tasks.Task | None = None
        try:
            found = tasks.load(str(manifest.config.get("task", "")))
        except BenchError:  # the file is gone, or is no task any more: then there are no prompts
            return
        if found.digest == manifest.task.get("digest"):
            self._task = found

    def of(self, article: Article, style: Style, prompt_id: str) -> tuple[Message, ...]:
        """The messages, or none where they cannot be those that were sent."""
        if self._task is None:
            return ()
        prompt = self._task.render(article, style)
        return prompt.messages if prompt.id == prompt_id else ()
