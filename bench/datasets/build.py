"""A recipe, carried out: sources, steps, split, formats, card.

In: a Recipe, where its files lie, and what the task makes of a row. Out: `datasets/<name>/`, whole or not
at all. Rows stream from the sources to the files; a step that has to see all of them first keeps them on
disk. Equal inputs give equal bytes: everything random follows from the recipe's seed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bench.datasets import folder, formats, readers, split, steps
from bench.datasets.card import Card, FileCard, SideCard, SourceCard, StepCard, page
from bench.datasets.formats import Example, Format, Render
from bench.datasets.recipe import Recipe, Source
from bench.datasets.row import SPLITS, Row
from bench.datasets.steps import Evaluation, Setting
from bench.errors import NoArticlesError, disk_errors

Progress = Callable[[str, int], None]
"""Told what is done and how many rows have passed."""
_ROWS_PER_WORD = 10_000


class Middle(NamedTuple):
    """A stage of the pipeline: a step of the recipe, or one that is put between the steps and the split."""

    name: str
    """What the card calls it."""
    options: dict[str, Any]
    """What the card says of it."""
    apply: Callable[..., Iterator[Row]]
    """From rows to rows, as a step's."""
    told: Callable[[], dict[str, Any]] | None = None
    """What it has to say when all rows have passed."""


class Pipeline:
    """Sources and steps, with what they counted; the rows pass once."""

    def __init__(self, recipe: Recipe, root: Path, scratch: Path, evaluation: Evaluation) -> None:
        self._recipe = recipe
        self._root = root
        self._scratch = scratch
        self._evaluation = evaluation
        self._sources: list[_Counted] = []
        self._steps: list[tuple[str, dict[str, Any], _Counted, _Counted, Setting]] = []
        self._files = {s: readers.load(s.reader).inputs(s.options, root) for s in recipe.sources}

    def rows(self, middle: Middle | None) -> Iterator[Row]:
        """The rows after every step, each with its side."""
        recipe = self._recipe
        rows: Iterable[Row] = self._read()
        for place, step in enumerate(recipe.steps):
            options = step.options.model_dump(mode="json", exclude_none=True)
            stage = Middle(step.step, options, steps.load(step.step).apply)
            rows = self._stepped(rows, stage, f"{place}/{step.step}", step.options)
        if middle is not None:
            rows = self._stepped(rows, middle, middle.name, None)
        divide = Middle("split", recipe.split.model_dump(mode="json"), split.apply)
        yield from self._stepped(rows, divide, "split", recipe.split)

    def _read(self) -> Iterator[Row]:
        for source in self._recipe.sources:
            counted = _Counted()
            self._sources.append(counted)
            yield from counted.counting(self._source_rows(source, counted.counts))

    def _source_rows(self, source: Source, counts: Counter[str]) -> Iterator[Row]:
        side = source.options.split
        for row in readers.load(source.reader).read(source.options, self._root, counts):
            yield row._replace(source=source.name, split=side or row.split)

    def _stepped(self, rows: Iterable[Row], stage: Middle, seed: str, given: object) -> Iterator[Row]:
        scratch = self._scratch / f"{len(self._steps)}"
        scratch.mkdir()
        setting = Setting(f"{self._recipe.seed}/{seed}", scratch, self._evaluation)
        before, after = _Counted(), _Counted()
        self._steps.append((stage.name, stage.options, before, after, setting))
        return after.counting(stage.apply(before.counting(rows), given, setting))

    def source_cards(self) -> tuple[SourceCard, ...]:
        """What the sources were; after the last row."""
        return tuple(
            SourceCard(
                name=source.name,
                reader=source.reader,
                path=source.options.path,
                files=tuple(_digested(path) for path in self._files[source]),
                n_rows=counted.n_rows,
                counts=_sorted(counted.counts),
                licence=source.options.licence or readers.load(source.reader).LICENCE,
                credit=source.options.credit or readers.load(source.reader).CREDIT,
            )
            for source, counted in zip(self._recipe.sources, self._sources, strict=True)
        )

    def step_cards(self) -> tuple[StepCard, ...]:
        """What the steps did; after the last row."""
        return tuple(
            StepCard(
                step=name,
                options=options,
                n_rows_in=before.n_rows,
                n_rows_out=after.n_rows,
                counts=_sorted(setting.counts),
            )
            for name, options, before, after, setting in self._steps
        )


class _Counted:
    """Counts the rows that pass."""

    def __init__(self) -> None:
        self.n_rows = 0
        self.counts: Counter[str] = Counter()

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.n_rows += 1
            yield row


def build(
    recipe: Recipe,
    root: Path,
    out: Path,
    render: Render | None,
    evaluation: Evaluation,
    *,
    task: dict[str, str] | None = None,
    progress: Progress = lambda what, n: None,
    middle: Middle | None = None,
) -> Card:
    """Make `out/<name>/`, in the place of an earlier one of that name."""
    with folder.replacing(out, recipe.name) as (fresh, scratch):
        pipeline = Pipeline(recipe, root, scratch, evaluation)
        sides = write_sides(pipeline.rows(middle), recipe.formats, fresh, render, progress)
        card = Card(
            name=recipe.name,
            description=recipe.description,
            recipe=recipe.as_data(),
            task=task,
            sources=pipeline.source_cards(),
            steps=pipeline.step_cards(),
            sides=sides,
            labelling=None if middle is None or middle.told is None else middle.told(),
        )
        if not any(source.n_rows for source in card.sources):
            read = ", ".join(source.path for source in card.sources)
            raise NoArticlesError(f"{recipe.name}: its sources hold no rows ({read}); name files that do")
        if not card.n_rows:
            done = ", ".join(f"{s.step} left {s.n_rows_out}" for s in card.steps)
            raise NoArticlesError(f"{recipe.name}: no row is left ({done}); loosen a step")
        write_card(card, fresh)
    return card


def write_card(card: Card, fresh: Path) -> None:
    """The card in both forms."""
    with disk_errors(fresh):
        (fresh / folder.CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (fresh / folder.PAGE).write_text(page(card), encoding="utf-8")


def write_sides(
    rows: Iterable[Row], wanted: tuple[str, ...], fresh: Path, render: Render | None, progress: Progress
) -> dict[str, SideCard]:
    """Every row into the files of its side; a side without rows has no file."""
    names = ("rows", *(name for name in wanted if name != "rows"))
    with ExitStack() as stack:
        sides = {side: _Side(side, names, fresh, stack) for side in SPLITS}
        for number, row in enumerate(rows, 1):
            example = Example(row) if render is None else render(row)
            sides[row.split or "train"].add(example)
            if number % _ROWS_PER_WORD == 0:
                progress("rows written", number)
    return {side: written.card() for side, written in sides.items()}


class _Side:
    """The files of one side, opened with the first row."""

    def __init__(self, name: str, wanted: tuple[str, ...], fresh: Path, stack: ExitStack) -> None:
        self._name, self._fresh, self._stack = name, fresh, stack
        self._formats: dict[str, Format] = {each: formats.load(each) for each in wanted}
        self._files: dict[str, _File] = {}
        self._labels: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._n_rows = self._n_characters = 0

    def add(self, example: Example) -> None:
        for name, form in self._formats.items():
            if name not in self._files:
                path = self._fresh / name / f"{self._name}{form.SUFFIX}"
                self._files[name] = _File(path, f"{name}/{path.name}", self._stack)
            self._files[name].write(form.line(example))
        row = example.row
        self._n_rows += 1
        self._n_characters += len(row.text)
        self._sources[row.source] += 1
        if row.label is not None:
            self._labels[row.label] += 1

    def card(self) -> SideCard:
        return SideCard(
            n_rows=self._n_rows,
            labels=_sorted(self._labels),
            sources=_sorted(self._sources),
            n_characters=self._n_characters,
            files={name: file.card() for name, file in self._files.items()},
        )


class _File:
    """A file that is hashed as it is written."""

    def __init__(self, path: Path, name: str, stack: ExitStack) -> None:
        self._name, self._path = name, path
        with disk_errors(path):
            path.parent.mkdir(exist_ok=True)
            self._file: BinaryIO = stack.enter_context(path.open("wb"))
        self._digest = hashlib.sha256()
        self._n_bytes = 0

    def write(self, line: str) -> None:
        content = line.encode("utf-8", "backslashreplace") + b"\n"
        with disk_errors(self._path):
            self._file.write(content)
        self._digest.update(content)
        self._n_bytes += len(content)

    def card(self) -> FileCard:
        return FileCard(name=self._name, sha256=self._digest.hexdigest(), n_bytes=self._n_bytes)


def _digested(path: Path) -> FileCard:
    found = folder.file_card(path, path.name)
    assert found is not None, path
    return found


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts)}
