"""`bench data label`: a recipe with a `labelling` section, carried out.

In: a recipe, where its files lie. Out: `datasets/<name>/` with the labelled rows, and a card that says who
labelled how much, at what cost, and how far they agree. What was asked before is kept in
`datasets/<name>.labelling/`; running the same command again goes on from there.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from bench import backends, store, tasks
from bench.data import evaluation_texts, renderer
from bench.datasets import build as building
from bench.datasets.build import Middle
from bench.datasets.card import Card
from bench.datasets.folder import ROOT
from bench.datasets.labellers import Labelling
from bench.datasets.recipe import Recipe, load_recipe
from bench.datasets.row import Row
from bench.datasets.steps import Setting
from bench.errors import (
    BackendError,
    ConfigError,
    NotEnoughDataError,
    ResumeRefusedError,
    RunLockedError,
    disk_errors,
    storage_error,
)
from bench.labelling import local, paid, plan
from bench.labelling.batches import Batching
from bench.labelling.flow import Asking, Work
from bench.labelling.journal import Journal, Key
from bench.labelling.outlive import Stop
from bench.labelling.plan import Item, Job
from bench.records import AnswerSchema, Verdict

MANIFEST, LOCK = "labelling.json", "run.lock"
Progress = Callable[[int, int, float], None]
"""Told jobs done, jobs in all, and the cost so far."""
_LONGEST_WAIT_S = 900
_LOOK_S = 0.2


def label(
    recipe: Path,
    root: Path = Path(),
    out: Path = ROOT,
    *,
    limit: int | None = None,
    stop: Stop | None = None,
    progress: Progress = lambda done, total, cost: None,
    waiting: Callable[[], None] = lambda: None,
) -> Card:
    """Label the rows of a recipe; the same command again goes on where it was stopped.

    Raises BackendError where calls came to nothing (what was answered is kept), NotEnoughDataError where
    the budget is spent, ResumeRefusedError where the journal was made with another task or model.
    """
    wanted = load_recipe(recipe)
    section = wanted.labelling
    if section is None or wanted.task is None:
        raise ConfigError(f"{recipe}: needs `task` and a `labelling` section with `labellers`")
    task = tasks.load(wanted.task)
    for labeller in section.labellers:
        backends.get(labeller.backend).check(labeller.spec, section.sampling)
        backends.check_schema(labeller.spec, task.answer)
    folder = out / f"{wanted.name}.labelling"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    stop = Stop() if stop is None else stop
    with _locked(folder, stop, waiting):
        _check_manifest(folder, wanted, section, task)
        with Journal(folder) as journal:
            run = _Run(wanted, section, task, journal, stop, progress, limit)
            return building.build(
                wanted,
                root,
                out,
                renderer(task, wanted.style),
                evaluation_texts(root),
                task={"name": task.name, "version": task.version, "digest": task.digest},
                middle=Middle(
                    "label", section.model_dump(mode="json", exclude_none=True), run.labelled, run.told
                ),
            )


class _Run:
    """One labelling."""

    def __init__(
        self,
        recipe: Recipe,
        section: Labelling,
        task: tasks.Task,
        journal: Journal,
        stop: Stop,
        progress: Progress,
        limit: int | None,
    ) -> None:
        self._section, self._task, self._journal = section, task, journal
        self._seed, self._limit, self._progress = recipe.seed, limit, progress
        self._work = Work(task, section, recipe.seed, journal, stop, self._one_more)
        self._work.cost = paid.spent(journal, section)
        self._items: tuple[Item, ...] = ()
        self._jobs: tuple[Job, ...] = ()
        self._n_done = 0

    def labelled(self, rows: Iterable[Row], options: Any, setting: Setting) -> Iterator[Row]:
        """The rows with what the models said; a step of the build."""
        items, n_again = plan.items(rows)
        self._items = items if self._limit is None else items[: self._limit]
        setting.counts["left out: the same item again"] += n_again
        setting.counts["left out: beyond --limit"] += len(items) - len(self._items)
        self._jobs = plan.jobs(self._items, self._section, self._seed)
        for labeller in self._section.labellers:
            for job in (job for job in self._jobs if job.labeller is labeller):
                self._n_done += self._work.standing(job).next_attempt is None
        self._progress(self._n_done, len(self._jobs), self._work.cost)
        given_up = asyncio.run(self._ask())
        self._refuse_unfinished(given_up)
        verdicts = self._verdicts()
        for item in self._items:
            row = _labelled(item, self._section, verdicts, self._task.answer)
            if row is None:
                setting.counts["left out: no valid answer, or labellers disagree"] += 1
            else:
                yield row

    def told(self) -> dict[str, Any]:
        """What the card says of the labelling."""
        verdicts = self._verdicts()
        by_labeller = paid.by_labeller(self._journal, self._jobs, verdicts)
        costs = [counts["cost"] for counts in by_labeller.values()]
        schema = self._task.answer
        return {
            "items": len(self._items),
            "answers_not_valid": sum(counts["items"] - counts["labelled"] for counts in by_labeller.values()),
            "cost": None if None in costs else round(sum(costs), 10),
            "currency": self._section.currency,
            "labellers": by_labeller,
            "agreement": paid.agreement(self._items, self._section, verdicts, schema, self._seed),
        }

    async def _ask(self) -> dict[str, str]:
        """Ask all labellers at once; why those were given up that were."""
        by_labeller = {
            labeller.name: [job for job in self._jobs if job.labeller is labeller]
            for labeller in self._section.labellers
        }
        asking: dict[str, Asking | Batching] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for labeller in self._section.labellers:
                    jobs = by_labeller[labeller.name]
                    if not self._work.waiting(jobs):
                        continue
                    if labeller.backend != "openai_api":
                        group.create_task(asyncio.to_thread(local.ask, labeller, jobs, self._work))
                        continue
                    make = Batching if labeller.batch else Asking
                    asking[labeller.name] = make(labeller, self._work)
                    group.create_task(asking[labeller.name].run(jobs))
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        return {name: one.given_up for name, one in asking.items() if one.given_up is not None}

    def _one_more(self, job: Job) -> None:
        if self._work.standing(job).next_attempt is None:
            self._n_done += 1
            self._progress(self._n_done, len(self._jobs), self._work.cost)

    def _refuse_unfinished(self, given_up: dict[str, str]) -> None:
        if self._work.stop:
            raise KeyboardInterrupt
        left = self._work.waiting(self._jobs)
        if not left:
            return
        done = f"{len(self._jobs) - len(left)} of {len(self._jobs)} are done and kept"
        if self._work.is_spent:
            spent = f"{self._work.cost:.4g} {self._section.currency}"
            raise NotEnoughDataError(
                f"the budget is spent ({spent}): {done}; raise labelling.budget and run it again"
            )
        reasons = "; ".join(f"{name}: {reason}" for name, reason in given_up.items())
        reason = reasons or "retries were used up; the journal says why"
        raise BackendError(
            f"{len(left)} calls came to nothing ({reason}): {done}; run the same command again"
        )

    def _verdicts(self) -> dict[Key, Verdict]:
        found = {job.key: self._work.standing(job).verdict for job in self._jobs}
        return {key: verdict for key, verdict in found.items() if verdict is not None}


def _labelled(
    item: Item, section: Labelling, verdicts: Mapping[Key, Verdict], schema: AnswerSchema
) -> Row | None:
    """The row with what most of its labellers said; None where none did validly, or two labels tie."""
    found = [verdicts.get((item.id, labeller.name)) for labeller in section.labellers]
    answers = [verdict.answer for verdict in found if verdict is not None and verdict.answer is not None]
    if not answers:
        return None
    labels = Counter(schema.label_of(answer) for answer in answers)
    most = labels.most_common(2)
    if len(most) == 2 and most[0][1] == most[1][1]:
        return None
    label = most[0][0]
    agreeing = [answer for answer in answers if schema.label_of(answer) == label]
    reasons = [_reason(answer, schema) for answer in agreeing]
    return item.row._replace(
        label=item.row.label if label is None else label,
        score=_mean(agreeing, schema.score),
        confidence=_mean(agreeing, schema.confidence),
        reasoning=next((reason for reason in reasons if reason), None),
    )


def _mean(answers: list[dict[str, Any]], field: str | None) -> float | None:
    if field is None:
        return None
    # rounded, so that the mean of 0.1 and 0.2 is written as 0.15
    return round(sum(float(answer[field]) for answer in answers) / len(answers), 6)


def _reason(answer: Mapping[str, Any], schema: AnswerSchema) -> str | None:
    for field in schema.fields:
        if field.type == "text" and field.choices is None and field.name != schema.label:
            return str(answer[field.name])
    return None


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


@contextmanager
def _locked(folder: Path, stop: Stop, waiting: Callable[[], None]) -> Iterator[None]:
    """The labelling's lock; waits for one that was killed and is still writing answers down."""
    lock = FileLock(folder / LOCK)
    _acquire(lock, folder, stop, waiting)
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, folder: Path, stop: Stop, waiting: Callable[[], None]) -> None:
    until = time.monotonic() + _LONGEST_WAIT_S
    is_told = False
    while True:
        try:
            lock.acquire(timeout=_LOOK_S)
            return
        except Timeout:  # an OSError too, so it is told apart first
            if stop:
                raise KeyboardInterrupt from None
            if time.monotonic() > until:
                raise RunLockedError(f"{folder} is being written by another process; wait for it") from None
            if not is_told:
                waiting()
                is_told = True
        except OSError as error:
            raise storage_error(error, folder / LOCK) from error


def _check_manifest(folder: Path, recipe: Recipe, section: Labelling, task: tasks.Task) -> None:
    """ResumeRefusedError where the journal was made under conditions that change what answers mean."""
    now: dict[str, Any] = {
        "task": {"name": task.name, "digest": task.digest},
        "style": section.style,
        "seed": recipe.seed,
        "sampling": section.sampling.model_dump(mode="json"),
    }
    now |= {
        f"labeller {labeller.name}": [labeller.backend, labeller.model, labeller.output]
        for labeller in section.labellers
    }
    path = folder / MANIFEST
    try:
        before: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    except ValueError as error:
        raise ResumeRefusedError(f"{path}: cannot be read ({error}); move the folder away") from error
    changed = [name for name, value in before.items() if name in now and now[name] != value]
    if changed:
        raise ResumeRefusedError(
            f"{folder} holds answers that were asked for otherwise: {', '.join(changed)} changed; set it "
            "back, or choose another `name`"
        )
    store.write_whole(path, json.dumps(before | now, indent=2).encode() + b"\n")
