"""The texts that an importance matrix is measured on, and how far a quant lies from its source on others.

In: `--imatrix`, which names a file, a run or a set of articles. Out: Texts: prompts as the task renders them,
in the model's own tokens, a quarter of them held out. It measures divergences, and quantizes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from bench import articles, backends, store, tasks
from bench.backends import Inspectable
from bench.backends.llama_cpp.gguf_check import GgufSummary
from bench.config import Config
from bench.errors import BackendError, ConfigError, NoArticlesError, UsageError
from bench.fidelity import divergence as kl
from bench.fidelity import log_probabilities
from bench.records import Article, ModelSpec, Prompt, Sampling
from bench.tasks import Task

RUNS = Path("sentiments")
TASK = "financial_news"
_HELD_OUT_EVERY = 4
_SHORTEST_TOKENS = 16


class Texts(NamedTuple):
    """What a matrix comes from."""

    file: Path | None
    """A finished matrix; then there are no texts."""
    dataset: str
    """What the texts are called, in words."""
    texts: tuple[tuple[int, ...], ...] = ()
    """Prompts in tokens."""
    held_out: tuple[Prompt, ...] = ()
    """Prompts that are not among them."""


def find(name: str, model: Path, summary: GgufSummary, task: str | None, style: str, hold_out: bool) -> Texts:
    """The texts that `name` means; UsageError or NoArticlesError where it means none."""
    path = Path(name)
    if path.suffix in {".gguf", ".dat", ".imatrix"} and not path.is_dir():
        return _of_file(path, hold_out)
    if style not in {"zero_shot", "few_shot"}:
        raise UsageError(f"--style {style!a}: there are zero_shot and few_shot")
    asked, of_task, called = _articles(name, task)
    prompts = [of_task.render(article, style) for article in asked]  # type: ignore[arg-type]
    held_out = prompts[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY] if hold_out else []
    kept = [prompt for prompt in prompts if prompt not in held_out]
    longest = summary.context_tokens or 8192
    ids = _token_ids(model, summary, kept, longest)
    if not ids:
        raise NoArticlesError(
            f"--imatrix {name}: no prompt of its {len(asked)} articles has {_SHORTEST_TOKENS} to {longest} "
            "tokens"
        )
    n_tokens = sum(map(len, ids))
    said = f"{len(ids)} articles of {called}, {of_task.name} {style}, {n_tokens} tokens"
    return Texts(None, said, tuple(ids), tuple(held_out))


def _of_file(path: Path, hold_out: bool) -> Texts:
    if not path.is_file():
        raise UsageError(f"--imatrix {path}: no such file; name a file, a run or articles")
    if path.suffix != ".gguf":
        raise UsageError(
            f"--imatrix {path}: an importance matrix of the old form; convert it with `llama-imatrix "
            f"--in-file {path.name} -o matrix.gguf`"
        )
    return Texts(path, path.name)


def _articles(name: str, task: str | None) -> tuple[Sequence[Article], Task, str]:
    """Articles, the task that asks about them, and what they are called: of a run, a set or a file."""
    is_run = name == "latest" or any(
        (folder / store.MANIFEST).is_file() for folder in (RUNS / name, Path(name))
    )
    if not is_run:
        try:
            return articles.load(name), tasks.load(task or TASK), Path(name).stem
        except ConfigError as error:
            raise ConfigError(f"--imatrix {name}: no file of a matrix, no run in {RUNS}; {error}") from error
    run = store.open_run(store.find_run(RUNS, name))
    try:
        config = Config.model_validate(run.manifest.config)
    except ValidationError as error:
        raise UsageError(
            f"run {run.manifest.run_id}: it was imported; name its articles and --task"
        ) from error
    return run.articles(), tasks.load(task or config.task), f"run {run.manifest.run_id}"


def _spec(model: Path, quant: str) -> ModelSpec:
    given = {"family": "model", "variant": "any", "quant": quant, "backend": "llama_cpp", "ref": str(model)}
    return ModelSpec.model_validate(given)


def _session(model: Path, quant: str, task: Any) -> backends.Session:
    settings = Sampling(max_tokens=16, context_tokens=8192)
    return backends.get("llama_cpp").open(_spec(model, quant), settings, task, 1)


def _token_ids(
    model: Path, summary: GgufSummary, prompts: Sequence[Prompt], longest: int
) -> list[tuple[int, ...]]:
    """The prompts as the model reads them; those too short or too long are left out."""
    session = _session(model, summary.quant or "fp16", tasks.load(TASK).answer)
    try:
        if not isinstance(session, Inspectable):
            raise BackendError("llama_cpp does not tell how it reads a prompt")
        found = [session.token_ids(prompt) for prompt in prompts]
    finally:
        session.close()
    return [ids for ids in found if ids is not None and _SHORTEST_TOKENS <= len(ids) <= longest]


def divergence(source: Path, quantized: Path, prompts: Sequence[Prompt]) -> tuple[float, int]:
    """Mean KL(source || quantized) of the next token over all positions of the prompts, and how many."""
    from bench.backends.llama_cpp import gguf_check

    schema = tasks.load(TASK).answer
    sessions: list[Any] = []
    try:
        for path in (source, quantized):
            quant = gguf_check.inspect(path).quant or "quantized"
            sessions.append(_session(path, quant, schema))
        texts = [(prompt, "") for prompt in prompts]
        total, n_positions = 0.0, 0
        for base, other in zip(*(session.score(texts) for session in sessions), strict=True):
            found = kl(log_probabilities(base.logits), log_probabilities(other.logits))
            total, n_positions = total + float(found.sum()), n_positions + len(found)
    finally:
        for session in sessions:
            session.close()
    return (total / n_positions if n_positions else float(np.nan)), n_positions
