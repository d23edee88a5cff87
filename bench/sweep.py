"""The sweep: articles x arms x iterations -> samples. The file to read first.

    Article --render--> Prompt --backend--> Completion --judge--> Verdict --> Sample --> store

In: a config. Out: a run in `sentiments/<run_id>/`. Run it by

    bench run [--run-id NAME] [--resume RUN | --extend RUN] [--dry-run]

Arms go one after the other, each loaded once; articles in one frozen order; the iterations of an
article are one request, so that a backend can share the prompt's work among them. Every answer is
judged and written as it comes, failed measurements included. No statistics here.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from bench import backends, conditions, items, provenance, store, tasks
from bench.backends import Request
from bench.config import Config
from bench.errors import BenchError, ConfigError, ResumeRefusedError, StorageError
from bench.guard import FailureGuard
from bench.identity import content_id, sample_seed
from bench.records import (
    ArmRecord,
    Article,
    LoadedModel,
    Manifest,
    ModelSpec,
    Revision,
    Sample,
)
from bench.validation import judge
from bench.width import resolved_width


class Plan(NamedTuple):
    """What a config asks for, resolved and checked; nothing is loaded yet."""

    config: Config
    task: tasks.Task
    articles: tuple[Article, ...]
    arms: tuple[ModelSpec, ...]
    """The arms, with the digests of their models."""
    iterations: int
    """Repeats per arm and article: 1 at temperature 0 unless greedy repeats are asked for."""
    width: int | None
    """Answers decoded together, the same for every arm; None until the run chooses it."""
    left_out: Mapping[str, int] = MappingProxyType({})
    """Texts of the source that no arm is asked about, by reason."""

    @property
    def n_samples(self) -> int:
        """Samples in the whole run."""
        return len(self.articles) * sum(self.iterations_of(spec) for spec in self.arms)

    def iterations_of(self, spec: ModelSpec) -> int:
        """Repeats per article of one arm: 1 where it always answers alike."""
        return backends.iterations(spec, self.iterations)


class Progress(Protocol):
    """What a sweep tells while it goes; `bench run` draws it."""

    def arm_started(self, arm: str, n_done: int, n_total: int) -> None:
        """An arm begins; `n_done` of its samples are already on disk."""

    def sample(self, sample: Sample) -> None:
        """A sample is on disk."""

    def arm_finished(self, arm: str, loaded: LoadedModel | None) -> None:
        """An arm is complete; `loaded` is None when nothing was left to do."""


class Silent:
    """A Progress that says nothing."""

    def arm_started(self, arm: str, n_done: int, n_total: int) -> None:
        """Nothing."""

    def sample(self, sample: Sample) -> None:
        """Nothing."""

    def arm_finished(self, arm: str, loaded: LoadedModel | None) -> None:
        """Nothing."""


# ---------------------------------------------------------------- before


def plan(config: Config) -> Plan:
    """Resolve a config: task, articles, arms with digests. Refuses what no backend could honour."""
    task = tasks.load(config.task)
    if config.sampling.stop_on_json and task.answer.form != "json":
        raise ConfigError(f"sampling.stop_on_json: the task {task.name} is not answered in JSON; remove it")
    for spec in config.arms():
        backends.check_schema(spec, task.answer)
    found = items.find(task, config.articles)
    sampling = config.sampling
    greedy_once = sampling.temperature == 0 and not sampling.allow_greedy_repeats
    result = Plan(
        config,
        task,
        found.articles,
        _checked_arms(config),
        1 if greedy_once else config.iterations,
        width=None if config.width == "auto" else config.width,
        left_out=found.left_out,
    )
    _refuse_equal_prompts(result)
    return result


def _checked_arms(config: Config) -> tuple[ModelSpec, ...]:
    """The config's arms with digests; every arm is checked before any digest is computed."""
    specs = config.arms()
    for spec in specs:
        backends.get(spec.backend).check(spec, config.sampling)
    return tuple(s.model_copy(update={"digest": backends.get(s.backend).digest(s)}) for s in specs)


def _refuse_unreachable(spec: ModelSpec) -> None:
    """BackendError where a run would begin with a server that does not answer, before anything is written.

    Only the first arm is looked at: servers may be started and stopped between arms, by a resume.
    """
    backend = backends.get(spec.backend)
    if isinstance(backend, backends.Served):
        backend.reached(spec)


def _refuse_equal_prompts(plan: Plan) -> None:
    for style in sorted({spec.prompt_style for spec in plan.arms}):
        seen: dict[str, str] = {}
        for article in plan.articles:
            prompt = plan.task.render(article, style)
            if prompt.id in seen:
                raise ConfigError(
                    f"articles {seen[prompt.id]} and {article.id} give the same {style} prompt; remove one"
                )
            seen[prompt.id] = article.id


def new_run_id() -> str:
    """A name for a run that sorts by time: `20260131-174502-3fa9c1`."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%d-%H%M%S}-{content_id([now.isoformat(), os.getpid()], 6)}"


def new_manifest(plan: Plan, run_id: str) -> Manifest:
    """The manifest of a run that starts now."""
    now = datetime.now(UTC)
    task = plan.task.model_dump(mode="json", include={"name", "version", "answer", "labels"})
    source = items.identity(plan.task, plan.config.articles)
    if plan.left_out:
        source["left_out"] = dict(plan.left_out)
    return Manifest(
        run_id=run_id,
        bench_version=str(provenance.package_version("bench")),
        config=plan.config.model_dump(mode="json"),
        task={**task, "digest": plan.task.digest},
        provenance={**provenance.collect(), "articles": source},
        article_ids=tuple(article.id for article in plan.articles),
        iterations=plan.iterations,
        arms=tuple(_arm_record(plan, spec) for spec in plan.arms),
        decode_width=plan.width or 1,
        revisions=(Revision(at=now, kind="created"),),
        started_at=now,
    )


def _arm_record(plan: Plan, spec: ModelSpec) -> ArmRecord:
    own = plan.iterations_of(spec)
    return ArmRecord(arm=spec.arm, spec=spec, iterations=None if own == plan.iterations else own)


# ---------------------------------------------------------------- start, resume, extend


def start(plan: Plan, root: Path, run_id: str | None = None, progress: Progress | None = None) -> Manifest:
    """Make a new run and measure it. Returns the finished manifest."""
    with created(plan, root, run_id) as (writer, whole):
        return _measure(writer, whole, progress or Silent())


def resume(plan: Plan, folder: Path, progress: Progress | None = None, *, extend: bool = False) -> Manifest:
    """Go on with a run: only what is missing is measured. With `extend`, what is new is added first."""
    with continued(plan, folder, "extended" if extend else "resumed") as (writer, whole):
        return _measure(writer, whole, progress or Silent())


@contextlib.contextmanager
def created(plan: Plan, root: Path, run_id: str | None = None) -> Iterator[tuple[store.RunWriter, Plan]]:
    """A new run, open for writing, and the plan with its width."""
    plan = _with_width(plan)
    _refuse_unreachable(plan.arms[0])
    with store.create_run(root, new_manifest(plan, run_id or new_run_id()), plan.articles) as writer:
        yield writer, plan


@contextlib.contextmanager
def continued(
    plan: Plan, folder: Path, kind: Literal["resumed", "extended"] | None
) -> Iterator[tuple[store.RunWriter, Plan]]:
    """A run that is there, and the plan for it; refused where the plan would measure something else.

    `kind` is what the manifest says happened; None where no samples are going to be added.
    """
    with store.RunWriter(folder) as writer:
        if plan.width is None:
            plan = plan._replace(width=writer.manifest.decode_width)
        old, new = writer.manifest, new_manifest(plan, writer.manifest.run_id)
        stored = writer.articles()
        decide = conditions.extended if kind == "extended" else conditions.resumed
        merged = decide(old, new, was=stored, now=plan.articles)
        known = {article.id: article for article in (*plan.articles, *stored)}
        articles = tuple(known[i] for i in merged.article_ids)
        if kind == "extended":
            writer.add_articles(articles)
        if kind is not None:
            arms = tuple(_counted(writer, record) for record in merged.arms)
            revision = Revision(
                at=datetime.now(UTC),
                kind=kind,
                added=conditions.additions(old, new),
                n_samples_before=sum((a.n_before_resume or 0) + a.n_after_resume for a in arms),
            )
            update = {"arms": arms, "revisions": (*merged.revisions, revision)}
            writer.save_manifest(merged.model_copy(update=update))
        yield writer, _with_width(plan._replace(articles=articles))


def _counted(writer: store.RunWriter, record: ArmRecord) -> ArmRecord:
    """The record with what is on disk before and since the first resume, however often it was killed."""
    n_samples = sum(1 for _ in writer.samples(record.arm))
    if record.n_before_resume is None:
        return record.model_copy(update={"n_before_resume": n_samples})
    return record.model_copy(update={"n_after_resume": n_samples - record.n_before_resume})


def _with_width(plan: Plan) -> Plan:
    """The plan with the width it runs at, which fits into memory for every arm."""
    styles = {spec.prompt_style for spec in plan.arms}
    prompts = {style: [plan.task.render(article, style) for article in plan.articles] for style in styles}
    arms = [(spec, prompts[spec.prompt_style]) for spec in plan.arms]
    return plan._replace(width=resolved_width(plan.width, arms, plan.config.sampling, plan.iterations))


# ---------------------------------------------------------------- measure


def _measure(writer: store.RunWriter, plan: Plan, progress: Progress) -> Manifest:
    """Every arm in turn; the manifest always says where the run stands."""
    _set_status(writer, "running")
    try:
        for spec in plan.arms:
            _measure_arm(writer, plan, spec, progress)
    except KeyboardInterrupt:
        _set_status(writer, "interrupted")
        raise
    except BenchError:
        with contextlib.suppress(StorageError):  # the disk may be what failed
            _set_status(writer, "failed")
        raise
    finished = writer.manifest.model_copy(update={"finished_at": datetime.now(UTC), "status": "finished"})
    writer.save_manifest(finished)
    return finished


def _measure_arm(writer: store.RunWriter, plan: Plan, spec: ModelSpec, progress: Progress) -> None:
    done = writer.keys(spec.arm)
    progress.arm_started(spec.arm, len(done), len(plan.articles) * plan.iterations_of(spec))
    todo = list(_todo(plan, spec, done))
    if not todo:
        progress.arm_finished(spec.arm, None)
        return
    backend = backends.get(spec.backend)
    session = backend.open(spec, plan.config.sampling, plan.task.answer, writer.manifest.decode_width)
    began, n_decoded = time.perf_counter(), 0
    try:
        _refuse_other_model(spec, session.loaded)
        for sample in _samples(writer, plan, spec, session, todo):
            n_decoded += 1
            progress.sample(sample)
    finally:
        decode_s = time.perf_counter() - began
        session.close()
        writer.finish_arm(spec.arm)
        _record_arm(writer, spec.arm, session.loaded, n_decoded, decode_s)
    progress.arm_finished(spec.arm, session.loaded)


class Todo(NamedTuple):
    """The iterations of one article that an arm has still to answer."""

    article: Article
    request: Request
    iterations: tuple[int, ...]


def _todo(plan: Plan, spec: ModelSpec, done: set[tuple[str, int]]) -> Iterator[Todo]:
    run_seed = plan.config.sampling.seed
    for article in plan.articles:
        prompt = plan.task.render(article, spec.prompt_style)
        missing = tuple(i for i in range(plan.iterations_of(spec)) if (prompt.id, i) not in done)
        if missing:
            seeds = tuple(sample_seed(run_seed, spec.arm, article.id, i) for i in missing)
            yield Todo(article, Request(prompt, seeds), missing)


def _samples(
    writer: store.RunWriter, plan: Plan, spec: ModelSpec, session: backends.Session, todo: list[Todo]
) -> Iterator[Sample]:
    """Each answer of the session as a Sample that is already on disk."""
    by_prompt = {item.request.prompt.id: item for item in todo}
    missing = {prompt_id: len(item.iterations) for prompt_id, item in by_prompt.items()}
    failures = FailureGuard(spec.arm, plan.config)
    for answer in session.generate(item.request for item in todo):
        item = by_prompt[answer.prompt_id]
        sample = Sample(
            run_id=writer.manifest.run_id,
            arm=spec.arm,
            prompt_id=answer.prompt_id,
            article_id=item.article.id,
            iteration=item.iterations[answer.seed_index],
            seed=item.request.seeds[answer.seed_index],
            completion=answer.completion,
            verdict=judge(answer.completion, plan.task.answer),
        )
        writer.append(sample)
        missing[answer.prompt_id] -= 1
        if not missing[answer.prompt_id]:
            writer.sync(spec.arm)
        yield sample
        failures.count(sample)
    failures.refuse_if_nothing_fitted()


def _refuse_other_model(spec: ModelSpec, loaded: LoadedModel) -> None:
    if loaded.digest is not None and spec.digest is not None and loaded.digest != spec.digest:
        raise ResumeRefusedError(
            f"arm {spec.arm}: {spec.ref} changed while the run went on (was {spec.digest[:19]}, "
            f"is {loaded.digest[:19]}); restore it, or start a new run"
        )


def _record_arm(
    writer: store.RunWriter, arm: str, loaded: LoadedModel, n_decoded: int, decode_s: float
) -> None:
    def updated(record: ArmRecord) -> ArmRecord:
        was_resumed = record.n_before_resume is not None
        return record.model_copy(
            update={
                "loaded": _together(record.loaded, loaded),
                "n_decoded": record.n_decoded + n_decoded,
                "decode_s": record.decode_s + decode_s,
                "n_after_resume": record.n_after_resume + (n_decoded if was_resumed else 0),
            }
        )

    records = tuple(updated(r) if r.arm == arm else r for r in writer.manifest.arms)
    writer.save_manifest(writer.manifest.model_copy(update={"arms": records}))


def _together(before: LoadedModel | None, now: LoadedModel) -> LoadedModel:
    """What was loaded now, with the highest memory, all the tokens and all notes since the run began."""
    if before is None:
        return now
    peaks = [m.peak_memory_bytes for m in (before, now) if m.peak_memory_bytes is not None]
    speed = now.speed.plus(before.speed) if now.speed else before.speed
    notes = tuple(dict.fromkeys((*before.notes, *now.notes)))
    update = {"peak_memory_bytes": max(peaks, default=None), "speed": speed, "notes": notes}
    return now.model_copy(update=update)


def _set_status(writer: store.RunWriter, status: str) -> None:
    update = {"status": status, "finished_at": None}
    writer.save_manifest(writer.manifest.model_copy(update=update))
