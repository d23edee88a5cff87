"""How close each arm's token probabilities are to its baseline's, on the run's own articles and answers.

    bench run --fidelity ...

In: a measured run. Out: `fidelity/<arm>.json`. For every article the baseline's own first answer is the
text; both models read article and answer, and at every position their distributions of the next token
are compared. Two models are loaded at a time and their logits flow past; none are stored. Arms whose
backend gives no logits, and groups without a full-precision baseline that was measured, are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from bench import backends, store
from bench.errors import BackendError
from bench.records import Fidelity, ModelSpec, Prompt
from bench.sweep import Plan

BASELINES = ("fp16", "bf16", "fp32")
Floats = npt.NDArray[np.float64]


@runtime_checkable
class Scorer(Protocol):
    """A session that tells what it expects at every position of a text."""

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> Iterator[Any]:
        """Pieces with text, logits, following and in_answer, as `llama_cpp.scoring.Scored`."""


def measure_fidelity(plan: Plan, writer: store.RunWriter) -> tuple[list[Fidelity], list[str]]:
    """Compare every arm with its group's baseline and store it; and what could not be compared."""
    found, notes = [], []
    for group in dict.fromkeys(spec.group for spec in plan.arms):
        specs = [spec for spec in plan.arms if spec.group == group]
        baseline = next(
            (s for quant in BASELINES for s in specs if s.quant == quant and not s.repeat_of), None
        )
        texts = _texts(plan, writer, baseline) if baseline else {}
        if baseline is None or not texts:
            notes.append(f"{group}: no fidelity, because no {', '.join(BASELINES)} arm of it has answered")
            continue
        for spec in specs:
            try:
                result = _compare(plan, spec, baseline, texts)
            except BackendError as error:
                notes.append(f"{spec.arm}: no fidelity, because {error}")
                continue
            writer.save_fidelity(result)
            found.append(result)
    return found, notes


def _texts(plan: Plan, writer: store.RunWriter, baseline: ModelSpec) -> dict[str, tuple[Prompt, str]]:
    """The baseline's first answer to each article, by article."""
    prompts = {a.id: plan.task.render(a, baseline.prompt_style) for a in plan.articles}
    first: dict[str, tuple[int, str]] = {}
    for row in writer.samples(baseline.arm):
        text, article_id = row["completion"]["text"], row["article_id"]
        if text and article_id in prompts and row["iteration"] < first.get(article_id, (10**9, ""))[0]:
            first[article_id] = (row["iteration"], text)
    return {article_id: (prompts[article_id], text) for article_id, (_, text) in first.items()}


def _compare(
    plan: Plan, spec: ModelSpec, baseline: ModelSpec, texts: dict[str, tuple[Prompt, str]]
) -> Fidelity:
    sessions: list[backends.Session] = []
    try:
        for arm in (baseline, spec):
            session = backends.get(arm.backend).open(arm, plan.config.sampling, plan.task.answer, 1)
            sessions.append(session)
            if not isinstance(session, Scorer):
                raise BackendError(f"the backend {arm.backend} gives no probabilities")
        ours, theirs = (session.score(list(texts.values())) for session in reversed(sessions))  # type: ignore[attr-defined]
        return _summary(spec, baseline, list(texts), zip(theirs, ours, strict=True))
    finally:
        for session in sessions:
            session.close()


def _summary(spec: ModelSpec, baseline: ModelSpec, article_ids: list[str], pairs: Any) -> Fidelity:
    divergences: list[list[Floats]] = [[] for _ in article_ids]
    n_agreed, surprise, n_answer = 0, 0.0, 0
    for base, arm in pairs:
        if not np.array_equal(base.following, arm.following) or base.logits.shape != arm.logits.shape:
            raise BackendError(f"{baseline.arm} and {spec.arm} read the same text as other tokens")
        p, q = log_probabilities(base.logits), log_probabilities(arm.logits)
        divergences[base.text].append(divergence(p, q))
        n_agreed += int((p.argmax(axis=1) == q.argmax(axis=1)).sum())
        own = q[np.arange(len(q)), arm.following][arm.in_answer]
        surprise -= float(own.sum(dtype=np.float64))
        n_answer += len(own)
    by_article = {a: np.concatenate(d) for a, d in zip(article_ids, divergences, strict=True) if d}
    every = np.concatenate(list(by_article.values()))
    return Fidelity(
        arm=spec.arm,
        baseline=baseline.arm,
        n_articles=len(by_article),
        n_positions=len(every),
        n_answer_tokens=n_answer,
        kl_mean=float(every.mean()),
        kl_p99=float(np.quantile(every, 0.99)),
        top1_agreement=n_agreed / len(every),
        perplexity_of_baseline=float(np.exp(surprise / n_answer)),
        kl_by_article={article: float(values.mean()) for article, values in by_article.items()},
    )


def log_probabilities(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logarithms of each row's probabilities."""
    shifted: npt.NDArray[np.float32] = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)
    return shifted


def divergence(p: npt.NDArray[np.float32], q: npt.NDArray[np.float32]) -> Floats:
    """KL(p || q) of each row in nats, from log-probabilities; rounding may not make it negative."""
    found: Floats = (np.exp(p) * (p - q)).sum(axis=1, dtype=np.float64)
    return np.maximum(found, 0.0)
