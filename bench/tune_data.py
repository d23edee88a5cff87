"""Joins tasks and data sets for a training: what is learnt, what is held out, what is measured on.

In: a recipe's `data` and `evaluation.other_task`, and where their files lie. Out: for each task the examples
of the training and the validation side, with the prompts that the task itself writes, and the test items as
articles; or texts alone, where no task is learnt. A set that is not built yet is built, and a bundled one
takes the place of one whose files are missing. All sets are held against one another: what is on any test
side is neither learnt from nor looked at while training, and what is on any validation side is not learnt
from. It loads no model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench import data as data_sets
from bench import tasks
from bench.datasets import folder, readers
from bench.datasets.recipe import Recipe, load_recipe
from bench.datasets.row import Row, key
from bench.errors import ConfigError
from bench.records import Article
from bench.tasks import Task
from bench.training.methods import Example, Turn
from bench.training.tuning_recipe import DataOptions, TuningRecipe

Say = Callable[[str], None]
_SIDES = ("train", "validation", "test")


class TaskData(NamedTuple):
    """One task, divided."""

    task: Task
    shown: str
    """The task as a config names it."""
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Article, ...]


class Texts(NamedTuple):
    """The texts of sets from which no task is learnt."""

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class Prepared(NamedTuple):
    """All data of a recipe."""

    tasks: tuple[TaskData, ...]
    """The tasks that are learnt; empty where texts alone are."""
    texts: Texts
    """Empty where tasks are learnt."""
    other: TaskData | None
    """The task that is asked before and after, and not learnt: its test side alone."""


class _Rows(NamedTuple):
    """The rows of a set, by side."""

    options: DataOptions
    name: str
    sides: dict[str, list[Row]]


def learns_task(recipe: TuningRecipe) -> bool:
    """Whether tasks are learnt, and not texts alone."""
    return recipe.task is not None or any(data.task for data in recipe.data)


def prepare(
    recipe: TuningRecipe, here: Path, root: Path, sets: Path, say: Say, *, answers: bool = True
) -> Prepared:
    """The data of a recipe whose file lies in `here` and whose sources lie below `root`.

    Without `answers` only what is measured on is read. ConfigError where a file, a task or a right answer is
    missing.
    """
    wanted = recipe.evaluation.other_task
    if wanted is not None and wanted.task is None:
        raise ConfigError("evaluation.other_task: nobody says what is asked; set `task` in it")
    found = [_read(options, here, root, sets, say) for options in recipe.data]
    if not answers:
        found = [_test_side(rows) for rows in found]
    asked = None if wanted is None else _test_side(_read(wanted, here, root, sets, say))
    held_apart = _held_apart(found, asked, say)
    other = None if asked is None else _task_data(asked, None, recipe.seed, here, say)
    if other is not None and not other.test:
        raise ConfigError("evaluation.other_task: its data set has no test side; give it one in `split`")
    if not learns_task(recipe):
        return Prepared((), _all_texts(held_apart), other)
    data = tuple(_task_data(rows, recipe.task, recipe.seed, here, say) for rows in held_apart)
    return Prepared(data, Texts(), other)


def beside(path: str, here: Path) -> Path:
    """A file that a recipe names: beside the recipe, else from the working folder."""
    near = here / Path(path).expanduser()
    return near if near.exists() else Path(path).expanduser()


# ---------------------------------------------------------------- sets


def _read(options: DataOptions, here: Path, root: Path, sets: Path, say: Say) -> _Rows:
    built = _folder(options, here, root, sets, say)
    sides = {side: list(folder.rows(built, side)) for side in _SIDES}
    return _Rows(options, folder.read_card(built).name, sides)


def _folder(options: DataOptions, here: Path, root: Path, sets: Path, say: Say) -> Path:
    """The built set; made where it is not there, or is of another recipe or of other files."""
    if options.recipe is None:
        return folder.find(sets, str(options.set))
    recipe = load_recipe(beside(options.recipe, here))
    absent = _absent(recipe, root)
    if absent is not None:
        if options.bundled is None:
            raise ConfigError(f"{absent}; give the folder of the data with --data-root")
        recipe = load_recipe(beside(options.bundled, here))
        say(f"{options.recipe}: its files are not below {root}: {recipe.name}, bundled, stands in for it")
    if not _is_current(recipe, root, sets / recipe.name):
        say(f"building the data set {recipe.name}")
        data_sets.build(recipe, root, sets)
    return sets / recipe.name


def _absent(recipe: Recipe, root: Path) -> str | None:
    """What is missing of a recipe's files; None where all are there."""
    for source in recipe.sources:
        try:
            readers.load(source.reader).inputs(source.options, root)
        except ConfigError as error:
            return str(error).partition(";")[0]
    return None


def _is_current(recipe: Recipe, root: Path, built: Path) -> bool:
    """Whether a built set is of this recipe and of the files as they are."""
    if not (built / folder.CARD).is_file():
        return False
    card = folder.read_card(built)
    if card.recipe != _plain(recipe) or card.task != _about(recipe) or folder.changed_files(built):
        return False
    # what a leak is held against lies elsewhere and may have changed
    if any(step.step == "leaks" for step in recipe.steps):
        return False
    wanted = [
        folder.file_card(path, path.name)
        for source in recipe.sources
        for path in readers.load(source.reader).inputs(source.options, root)
    ]
    there = [file for source in card.sources for file in source.files]
    return [f and f.sha256 for f in wanted] == [f.sha256 for f in there]


def _plain(recipe: Recipe) -> object:
    """The recipe as it comes back from a card."""
    return json.loads(json.dumps(recipe.as_data()))


def _about(recipe: Recipe) -> dict[str, str] | None:
    if recipe.task is None:
        return None
    task = tasks.load(recipe.task)
    return {"name": task.name, "version": task.version, "digest": task.digest}


# ---------------------------------------------------------------- sides


def _test_side(rows: _Rows) -> _Rows:
    """A set from which nothing is learnt."""
    return rows._replace(sides=rows.sides | {"train": [], "validation": []})


def _held_apart(found: Sequence[_Rows], asked: _Rows | None, say: Say) -> list[_Rows]:
    """The sets without what another one, or the same, holds out on a later side."""
    measured = found if asked is None else [*found, asked]
    tested = _keys(measured, "test")
    watched = _keys(found, "validation")
    apart = []
    for rows in found:
        train, validation = rows.sides["train"], rows.sides["validation"]
        validation = _without(
            validation, tested, f"{rows.name}: {{}} of the validation texts are test items", say
        )
        train = _without(train, tested, f"{rows.name}: {{}} of the train texts are test items", say)
        train = _without(
            train, watched, f"{rows.name}: {{}} of the train texts are on a validation side", say
        )
        apart.append(rows._replace(sides=rows.sides | {"train": train, "validation": validation}))
    return apart


def _keys(found: Iterable[_Rows], side: str) -> set[bytes | None]:
    return {key(row, "words") for rows in found for row in rows.sides[side]}


def _without(rows: list[Row], held_out: set[bytes | None], what: str, say: Say) -> list[Row]:
    kept = [row for row in rows if key(row, "words") not in held_out]
    if lost := len(rows) - len(kept):
        say(f"{what.format(lost)} of this recipe and are left out")
    return kept


def _all_texts(found: Sequence[_Rows]) -> Texts:
    return Texts(*(tuple(text for rows in found for text in _texts(rows.sides[side])) for side in _SIDES))


# ---------------------------------------------------------------- a task's examples


def _task_data(rows: _Rows, task_of_recipe: str | None, seed: int, here: Path, say: Say) -> TaskData:
    name = rows.options.task or task_of_recipe
    assert name is not None, "without a task texts alone are read"
    near = here / name
    shown = str(near) if near.is_file() else name
    task = tasks.load(shown)
    per_label = rows.options.per_label
    chosen: dict[str, list[Row]] = {}
    for side in _SIDES:
        chosen[side] = sampled(rows.sides[side], getattr(per_label, side), f"{seed}/{rows.name}/{side}")
        _tell_shortage(chosen[side], getattr(per_label, side), f"{rows.name}, {side}", say)
    if not chosen["test"]:
        say(f"{rows.name}: it has no test side, so nothing can be measured on what was held out")
    return TaskData(
        task,
        shown,
        tuple(example(row, task) for row in chosen["train"]),
        tuple(example(row, task) for row in chosen["validation"]),
        tuple(_checked(row, task) for row in chosen["test"]),
    )


def sampled(rows: Sequence[Row], per_label: int | None, seed: str) -> list[Row]:
    """At most so many rows of each label, drawn and shuffled by the seed; None takes all."""
    by_label: dict[str | None, list[Row]] = {}
    for row in rows:
        by_label.setdefault(row.label, []).append(row)
    taken: list[Row] = []
    for label in sorted(by_label, key=str):
        pool = by_label[label]
        Random(f"{seed}/{label}").shuffle(pool)
        taken += pool[:per_label]
    Random(seed).shuffle(taken)
    return taken


def _tell_shortage(rows: Iterable[Row], per_label: int | None, where: str, say: Say) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        counts[str(row.label)] = counts.get(str(row.label), 0) + 1
    short = {label: n for label, n in counts.items() if per_label is not None and n < per_label}
    if short:
        said = ", ".join(f"{n} of {label}" for label, n in sorted(short.items()))
        say(f"{where}: {per_label} of each label are asked for; there are {said}")


def example(row: Row, task: Task) -> Example:
    """A row as a model meets it: the task's own prompt, and the right answer."""
    article = _checked(row, task)
    prompt = task.render(article, "zero_shot")
    # a turn that is begun for the model is part of what it learns to write
    said = prompt.messages[:-1] if prompt.messages[-1].role == "assistant" else prompt.messages
    turns = tuple(Turn(message.role, message.content) for message in said)
    text = prompt.text if prompt.text is not None else article.text
    answer = data_sets.answer_of(row, task)
    return Example(article.id, task.name, text, turns, answer, article.label)


def _checked(row: Row, task: Task) -> Article:
    article = data_sets.article_of(row)
    try:
        task.check_articles((article,))
    except ConfigError as error:
        raise ConfigError(f"{row.place}: {error}; the step `labels` maps labels and scores") from error
    return article


def _texts(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        yield f"{row.title}\n\n{row.text}" if row.title else row.text
