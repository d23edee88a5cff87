"""Joins recipes of data, tasks and articles: what `bench data` calls.

In: a recipe of data and where its files lie. Out: `datasets/<name>/` with its card. The prompts are the
task's own, so that a model meets in a sweep what it was trained on, and every answer that is written is
valid by the task's schema. Evaluation sets are read as a run reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench import articles, tasks, validation
from bench.datasets import build as building
from bench.datasets import split
from bench.datasets.build import Progress
from bench.datasets.card import Card
from bench.datasets.folder import ROOT, read_card
from bench.datasets.formats import Example, Render, Turn
from bench.datasets.readers import rows
from bench.datasets.recipe import NAME, Recipe, Source, load_recipe
from bench.datasets.row import Row
from bench.datasets.steps import Evaluation
from bench.errors import ConfigError, UsageError
from bench.records import AnswerSchema, Article, Entity, Outcome, Style


def build(
    recipe: Path | Recipe,
    root: Path = Path(),
    out: Path = ROOT,
    progress: Progress = lambda what, n: None,
) -> Card:
    """Build the data set of a recipe (a file, or one that is read already) whose paths begin at `root`."""
    wanted = load_recipe(recipe) if isinstance(recipe, Path) else recipe
    if wanted.labelling is not None:
        raise UsageError(f"{wanted.name}: the recipe has a `labelling` section; use `bench data label`")
    task = None if wanted.task is None else tasks.load(wanted.task)
    render = None if task is None else renderer(task, wanted.style)
    about = None if task is None else {"name": task.name, "version": task.version, "digest": task.digest}
    return building.build(wanted, root, out, render, evaluation_texts(root), task=about, progress=progress)


def evaluation_texts(root: Path) -> Evaluation:
    """How the steps read an evaluation set: a frozen set by name, or a file below `root` or here."""

    def texts(name: str) -> Iterable[str]:
        path = root / Path(name).expanduser()
        source = str(path) if path.exists() else name
        for article in articles.load(source):
            yield f"{article.title}\n{article.text}" if article.title else article.text
            yield from article.parts.values()

    return texts


def article_of(row: Row) -> Article:
    """The article that a task is asked about for a row."""
    entity = Entity(name=row.entity) if row.entity else None
    parts = dict(row.parts)
    return Article(
        id=Article.make_id(row.text, entity, parts),
        text=row.text,
        title=row.title,
        source=row.source or "dataset",
        entity=entity,
        label=row.label,
        reference_score=row.score,
        parts=parts,
    )


def renderer(task: tasks.Task, style: Style) -> Render:
    """What turns a row into the task's prompt and its right answer."""

    def render(row: Row) -> Example:
        article = article_of(row)
        try:
            task.check_articles((article,))
        except ConfigError as error:
            raise ConfigError(f"{row.place}: {error}; the step `labels` maps labels and scores") from error
        messages = task.render(article, style).messages
        # a turn that is begun for the model is part of what it learns to write
        said = messages[:-1] if messages[-1].role == "assistant" else messages
        return Example(row, tuple(Turn(m.role, m.content) for m in said), answer_of(row, task))

    return render


def answer_of(row: Row, task: tasks.Task) -> str:
    """What a model should write for a row; ConfigError where the row has not what the task asks for."""
    schema = task.answer
    values = {field.name: _value(row, field.name, schema) for field in schema.fields}
    missing = [name for name, value in values.items() if value is None]
    where = row.place or ascii(row.text[:40])
    if missing:
        raise ConfigError(
            f"{where}: nothing for the answer's {missing[0]!r}; the step `labels` gives scores, reasoning "
            "and confidence by label, `bench data label` asks models for them"
        )
    if schema.form != "json":
        return task.written(row.label)
    answer = task.written(values)
    verdict = validation.judge_text(answer, schema)
    if verdict.outcome is not Outcome.VALID:
        raise ConfigError(f"{where}: the answer would be {verdict.outcome}: {'; '.join(verdict.errors)}")
    return answer


def _value(row: Row, name: str, schema: AnswerSchema) -> str | float | None:
    """What a row says for one field of the answer."""
    if name == schema.score:
        return row.score
    if name == schema.confidence:
        return row.confidence
    field = schema.field(name)
    if name == schema.label or field.choices is not None:
        return row.label
    return row.reasoning if field.type == "text" else None


def resplit(source: Path, name: str, options: split.Options, seed: int, out: Path = ROOT) -> Card:
    """Divide the rows of a built data set anew, under another name; its formats stay."""
    if not re.fullmatch(NAME, name):
        raise UsageError(f"--as {name!a}: a name is letters, digits, `.`, `_` and `-`")
    earlier = read_card(source)
    if (out / name).resolve() == source.resolve():
        raise UsageError(f"{source} would take its own place; choose another name with --as")
    recipe = Recipe(
        name=name,
        description=earlier.description,
        seed=seed,
        task=earlier.recipe.get("task"),
        style=earlier.recipe.get("style", "zero_shot"),
        sources=tuple(_rows_of(source, earlier)),
        steps=(),
        split=options,
        formats=tuple(earlier.recipe.get("formats", ())),
    )
    return build(recipe, Path(), out)


def _rows_of(folder: Path, card: Card) -> Iterator[Source]:
    licences = sorted({source.licence or "not stated" for source in card.sources})
    options = rows.Options(
        path=str(folder),
        name=card.name,
        keep_split=False,
        licence=None if card.unlicensed else "; ".join(licences),
        credit="; ".join(source.credit for source in card.sources if source.credit) or None,
    )
    yield Source("rows", options)
