"""Which arms an evaluation has, and which of them are compared.

In: a TrainedFolder and one of its tasks. Out: a Planned: a Config as `bench run` takes it, the role of each
arm and the pairs to compare. Temperature 0 and one answer an item. What cannot be asked is left out with
a note: the untuned base where it cannot converse, examples that do not fit its context, a head in a task that
is not its own. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from bench import backends, items, tasks
from bench.config import ArticlesConfig, Config, ModelConfig
from bench.errors import BenchError, ConfigError, MissingExtraError, UsageError
from bench.evaluation.folder import ArmFile, Loaded, TestFile, Trained, TrainedFolder, model_config
from bench.records import ModelSpec, Sampling, Style

Role = Literal["untuned", "tuned", "head", "baseline"]
"""`untuned`: the base; `tuned`: trained and writes; `head`: a classification head on the base; `baseline`: a
classifier that was made from nothing."""
BASE = "base"
MOST_TOKENS = 8192
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")


class Settings(NamedTuple):
    """What may be asked for instead of the recipe's."""

    iterations: int = 1
    temperature: float = 0.0
    limit: int | None = None
    """Only the first so many items."""
    width: int | None = None


class Planned(NamedTuple):
    """One task's run."""

    config: Config
    roles: dict[str, Role]
    """By arm."""
    pairs: tuple[tuple[str, str], ...]
    """Arms to compare, A minus B."""
    notes: tuple[str, ...]


class _Entry(NamedTuple):
    model: ModelConfig
    role: Role

    @property
    def spec(self) -> ModelSpec:
        return next(iter(self.model.arms()))


def planned(folder: TrainedFolder, test: TestFile, settings: Settings, *, heads: bool = True) -> Planned:
    """The run of one task. ConfigError where the recipe's settings do not go together.

    Without `heads` only models that write are asked: a head can say nothing on a task it has not learnt.
    """
    task = tasks.load(test.task)
    articles = ArticlesConfig(source=str(folder.folder / test.file), limit=settings.limit)
    sampling = _sampling(folder, settings)
    notes: list[str] = []
    entries = [
        *_untuned(folder, task, articles, sampling, notes),
        *_trained(folder, task, notes, heads=heads),
    ]
    if not entries:
        raise ConfigError(f"{folder.folder}: no arm can be asked about {task.name}: {'; '.join(notes)}")
    pairs = tuple(_pairs(entries))
    try:
        config = Config(
            task=test.task,
            articles=articles,
            iterations=settings.iterations,
            width=settings.width or folder.recipe.evaluation.width,
            sampling=sampling,
            models=tuple(entry.model for entry in entries),
            comparisons=pairs,
        )
    except ValidationError as error:
        raise ConfigError(
            f"{folder.folder}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        ) from error
    roles: dict[str, Role] = {entry.spec.arm: entry.role for entry in entries}
    return Planned(config, roles, pairs, tuple(notes))


def base_spec(folder: TrainedFolder, quant: str) -> ModelSpec | None:
    """The untuned base at a quantization, without examples; None where the folder names none."""
    if folder.base is None:
        return None
    return next(iter(_model(folder.recipe.name, BASE, quant, folder.base, "zero_shot").arms()))


def tuned_spec(arm: ArmFile) -> ModelSpec:
    """A finished training as an arm."""
    return next(iter(_model(arm.family, arm.variant, arm.quant, arm, arm.prompt_style).arms()))


def sampling_of(folder: TrainedFolder) -> Sampling:
    """The limits of a run over this folder's models."""
    return _sampling(folder, Settings())


# ---------------------------------------------------------------- arms


def _untuned(
    folder: TrainedFolder,
    task: tasks.Task,
    articles: ArticlesConfig,
    sampling: Sampling,
    notes: list[str],
) -> Iterator[_Entry]:
    """The base in the wanted styles, at each quantization that a tuned model runs at."""
    if folder.base is None:
        return
    quants = list(dict.fromkeys(one.arm.quant for one in folder.causal)) or ["fp32"]
    for quant in quants:
        for style in folder.recipe.evaluation.untuned:
            entry = _Entry(_model(folder.recipe.name, BASE, quant, folder.base, style), "untuned")
            problem = _cannot_be_asked(entry.spec, task, articles, sampling)
            if problem is None:
                yield entry
            else:
                notes.append(f"untuned {style} ({quant}) is left out: {problem}")


def _cannot_be_asked(
    spec: ModelSpec, task: tasks.Task, articles: ArticlesConfig, sampling: Sampling
) -> str | None:
    """Why the untuned base cannot be asked; None where it can."""
    backend = backends.get(spec.backend)
    try:
        backend.check(spec, sampling)
        # of what lies on the hub nothing is known before it is loaded
        if not isinstance(backend, backends.CountsTokens) or not Path(spec.ref).is_dir():
            return None
        prompts = [task.render(article, spec.prompt_style) for article in items.load(task, articles)]
        counts = backend.prompt_tokens(spec.ref, prompts)
    except MissingExtraError:
        raise
    except BenchError as error:
        return str(error)
    known = [n for n in counts if n is not None]
    room = sampling.context_tokens - sampling.max_tokens
    if known and min(known) > room:
        return f"its shortest prompt has {min(known)} tokens and the models read {room} besides the answer"
    return None


def _trained(folder: TrainedFolder, task: tasks.Task, notes: list[str], *, heads: bool) -> Iterator[_Entry]:
    for one in folder.trained:
        arm = one.arm
        if arm.is_classifier and not heads:
            continue
        if arm.tasks and task.name not in arm.tasks:
            notes.append(f"{arm.variant} is left out of {task.name}: it has no head for it")
            continue
        loaded = arm.tasks.get(task.name, arm)
        made = _model(arm.family, arm.variant, arm.quant, loaded, arm.prompt_style)
        entry = _Entry(made, _role(one))
        try:
            backends.check_schema(entry.spec, task.answer)
        except UsageError as error:
            if len(folder.tests) == 1:
                raise
            notes.append(f"{arm.variant} is left out of {task.name}: {error}")
            continue
        yield entry


def _role(one: Trained) -> Role:
    if not one.arm.is_classifier:
        return "tuned"
    return "head" if one.needs_base else "baseline"


def _model(family: str, variant: str, quant: str, loaded: Loaded, style: Style) -> ModelConfig:
    return ModelConfig(
        family=family,
        variant=variant,
        quants=(quant,),
        backend=loaded.backend,
        ref=loaded.ref.replace("{", "{{").replace("}", "}}"),
        prompt_style=style,
        adapter=loaded.adapter,
        options=loaded.options,
    )


def _sampling(folder: TrainedFolder, settings: Settings) -> Sampling:
    """Greedy answers, in as many tokens as the smallest of the models that write can read."""
    refs = [one.arm.ref for one in folder.causal]
    if folder.base is not None and (folder.causal or folder.recipe.evaluation.untuned):
        refs.append(folder.base.ref)
    limits = [n for ref in refs if (n := _positions(ref)) is not None]
    context = min([MOST_TOKENS, *limits])
    longest = folder.recipe.evaluation.max_tokens
    try:
        return Sampling(temperature=settings.temperature, max_tokens=longest, context_tokens=context)
    except ValidationError as error:
        raise ConfigError(
            f"{folder.folder}: evaluation.max_tokens {longest} of the {context} tokens that the models read "
            "leaves no room for a prompt; lower it in the recipe"
        ) from error


def _positions(ref: str) -> int | None:
    found = model_config(ref)
    known = (found.get(name) for name in _POSITIONS)
    return next((n for n in known if isinstance(n, int) and n > 0), None)


# ---------------------------------------------------------------- comparisons


def _pairs(entries: Sequence[_Entry]) -> Iterator[tuple[str, str]]:
    """Trained minus untuned, in every style and at its own quantization where that is there; then what writes
    minus heads and baselines, and heads minus baselines."""
    for a in entries:
        if a.role in {"tuned", "head"}:
            yield from ((a.spec.arm, b.spec.arm) for b in _untuned_for(a, entries))
    for a in entries:
        for b in entries:
            below = {"tuned": ("head", "baseline"), "head": ("baseline",)}.get(a.role, ())
            if b.role in below:
                yield a.spec.arm, b.spec.arm


def _untuned_for(a: _Entry, entries: Sequence[_Entry]) -> list[_Entry]:
    untuned = [entry for entry in entries if entry.role == "untuned"]
    alike = [entry for entry in untuned if entry.spec.quant == a.spec.quant]
    if alike or not untuned:
        return alike
    return [entry for entry in untuned if entry.spec.quant == untuned[0].spec.quant]
