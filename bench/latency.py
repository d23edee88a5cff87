"""Honest seconds per answer: one answer at a time, nothing reused, arms taking turns.

    bench run --mode latency [--run-id NAME | --resume RUN] [--latency-samples 20]

In: a plan and its run. Out: `latency/<arm>.jsonl`, one Sample a line, judged like any other. For each of
the chosen articles every arm answers once, in a new random order each time, so that a machine that
slows down or warms up does so for all of them; the order follows from the run's seed. Every arm
answers once before it counts. As many arms stay loaded as memory allows; loading is never timed.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from typing import Protocol

import psutil

from bench import backends, store
from bench.backends import Request
from bench.errors import BackendError
from bench.identity import content_id, sample_seed
from bench.records import Article, Completion, ModelSpec, Sample
from bench.sweep import Plan
from bench.validation import judge

DEFAULT_SAMPLES = 20
"""Answers of each arm, one per article."""
_SPARE = 1.5
"""A further arm is loaded beside others while so many times its size is free."""


class SampleSink(Protocol):
    """What is told of every sample; a part of `bench.sweep.Progress`."""

    def sample(self, sample: Sample) -> None:
        """A sample is on disk."""


def measure_latency(plan: Plan, writer: store.RunWriter, progress: SampleSink, n_samples: int) -> int:
    """Time `n_samples` articles for every arm; what is on disk already is not measured again."""
    order = random.Random(content_id(["latency", plan.config.sampling.seed]))
    articles = order.sample(list(plan.articles), min(n_samples, len(plan.articles)))
    done = {spec.arm: writer.latency_keys(spec.arm) for spec in plan.arms}
    # the longest, so that no later one pays for more memory
    loaded = _Loaded(plan, warm_up=max(articles, key=lambda article: len(article.text)))
    n_new = 0
    try:
        for article in articles:
            for spec in order.sample(list(plan.arms), len(plan.arms)):
                prompt_id = plan.task.render(article, spec.prompt_style).id
                if (prompt_id, 0) in done[spec.arm]:
                    continue
                sample = _timed(plan, writer.manifest.run_id, spec, loaded.session(spec), article)
                writer.append_latency(sample)
                progress.sample(sample)
                n_new += 1
    finally:
        loaded.close()
        writer.finish_latency()
        if writer.manifest.status == "running":  # a new run: nothing but its timing is there yet
            writer.save_manifest(writer.manifest.model_copy(update={"status": "interrupted"}))
    return n_new


def _timed(plan: Plan, run_id: str, spec: ModelSpec, session: backends.Session, article: Article) -> Sample:
    prompt = plan.task.render(article, spec.prompt_style)
    # the seed of the first iteration: the text is the one that is measured anyway
    seed = sample_seed(plan.config.sampling.seed, spec.arm, article.id, 0)
    completion = _answer(session, Request(prompt, (seed,)))
    return Sample(
        run_id=run_id,
        arm=spec.arm,
        prompt_id=prompt.id,
        article_id=article.id,
        iteration=0,
        seed=seed,
        completion=completion,
        verdict=judge(completion, plan.task.answer),
    )


def _answer(session: backends.Session, request: Request) -> Completion:
    answers = list(session.generate([request], reuse=False))
    if len(answers) != 1:
        raise BackendError(f"one answer was asked for, {len(answers)} came")
    return answers[0].completion


class _Loaded:
    """Sessions that stay open while memory allows; the one that waited longest is closed first."""

    def __init__(self, plan: Plan, warm_up: Article) -> None:
        self._plan = plan
        self._warm_up = warm_up
        self._sessions: OrderedDict[str, backends.Session] = OrderedDict()

    def session(self, spec: ModelSpec) -> backends.Session:
        """The arm's session, warmed up."""
        if spec.arm not in self._sessions:
            while self._sessions and self._is_full():
                self._sessions.popitem(last=False)[1].close()
            plan = self._plan
            opened = backends.get(spec.backend).open(spec, plan.config.sampling, plan.task.answer, 1)
            self._sessions[spec.arm] = opened
            prompt = plan.task.render(self._warm_up, spec.prompt_style)
            _answer(opened, Request(prompt, (0,)))
        self._sessions.move_to_end(spec.arm)
        return self._sessions[spec.arm]

    def _is_full(self) -> bool:
        sizes = [session.loaded.file_bytes or 0 for session in self._sessions.values()]
        return psutil.virtual_memory().available < _SPARE * max(sizes)

    def close(self) -> None:
        """Close all of them."""
        while self._sessions:
            self._sessions.popitem()[1].close()
