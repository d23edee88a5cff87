"""What a data set is made of: the recipe file, checked, every mistake with its line.

    name: tweets
    seed: 0
    task: financial_news          # for formats with prompts; none for plain text
    sources:
      - {reader: airline, path: twitter-us-airline/Tweets.csv}
    steps:
      - step: normalise
      - {step: deduplicate, by: words}
    split: {train: 0.8, validation: 0.1, test: 0.1}
    formats: [chat, text]

In: a YAML file. Out: a Recipe, or a ConfigError with file and line of every mistake. It opens no source.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import Field, JsonValue

from bench import plugins, yaml_file
from bench.datasets import formats, readers, split, steps
from bench.datasets.labellers import Labelling
from bench.datasets.readers import FileOptions
from bench.errors import ConfigError
from bench.records import Record, Style, Text
from bench.yaml_file import Document, Location

RecordT = TypeVar("RecordT", bound=Record)
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"


class Source(NamedTuple):
    """A reader and what the recipe says of it."""

    reader: str
    options: FileOptions

    @property
    def name(self) -> str:
        """The source's name in the card."""
        return self.options.name or self.reader


class Step(NamedTuple):
    """A step and what the recipe says of it."""

    step: str
    options: Record


class _Written(Record):
    """The file as it is written."""

    name: str = Field(pattern=NAME)
    """The folder in `datasets/`."""
    description: str = ""
    """One line for the card."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Everything random follows from it."""
    task: Text | None = None
    """The task that the prompts and the answers are of: a name, or a .yaml file."""
    style: Style = "zero_shot"
    """Whether the task's examples are in the prompts."""
    sources: tuple[dict[str, JsonValue], ...] = Field(min_length=1)
    """Readers with their options."""
    steps: tuple[dict[str, JsonValue], ...] = ()
    """Steps with their options, in order."""
    split: dict[str, JsonValue] = Field(default_factory=dict)
    """Shares, and what is one group."""
    formats: tuple[str, ...] = ()
    """What is written besides the rows themselves."""
    labelling: dict[str, JsonValue] | None = None
    """Who labels the rows, for `bench data label`."""


class Recipe(NamedTuple):
    """A checked recipe."""

    name: str
    description: str
    seed: int
    task: str | None
    style: Style
    sources: tuple[Source, ...]
    steps: tuple[Step, ...]
    split: split.Options
    formats: tuple[str, ...]
    labelling: Labelling | None = None

    def as_data(self) -> dict[str, Any]:
        """The whole recipe with every default said, for the card."""
        return {
            **{name: getattr(self, name) for name in ("name", "description", "seed", "task", "style")},
            "sources": [{"reader": s.reader, **_said(s.options)} for s in self.sources],
            "steps": [{"step": s.step, **_said(s.options)} for s in self.steps],
            "split": _said(self.split),
            "formats": list(self.formats),
            **({"labelling": _said(self.labelling)} if self.labelling else {}),
        }


def load_recipe(path: Path) -> Recipe:
    """The recipe of a file; ConfigError says what is wrong with it, line by line."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; give a readable recipe; recipes/data/ has examples"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8; save the file as UTF-8") from error
    return checked(yaml_file.parsed(text, path, "recipes/data/ has examples"))


def checked(document: Document) -> Recipe:
    """The recipe of a YAML document."""
    written = document.checked(_Written, _known)
    for place, name in enumerate(written.formats):
        if name not in formats.names():
            raise ConfigError(
                f"{document.path}:{document.line(('formats', place))}: no format {name!r}; "
                f"known: {', '.join(formats.names())}"
            )
    if len(set(written.formats)) < len(written.formats):
        raise ConfigError(f"{document.path}:{document.line(('formats',))}: a format is there twice")
    needing = [name for name in written.formats if formats.load(name).NEEDS_TASK]
    if needing and written.task is None:
        raise ConfigError(
            f"{document.path}:{document.line(('formats',))}: the format {needing[0]} has prompts; "
            "set `task`, or write `rows` and `text` only"
        )
    return Recipe(
        written.name,
        written.description,
        written.seed,
        written.task,
        written.style,
        sources(document, written.sources),
        checked_steps(document, written.steps),
        _part(document, ("split",), split.Options, written.split),
        written.formats,
        None if written.labelling is None else _part(document, ("labelling",), Labelling, written.labelling),
    )


def sources(document: Document, written: tuple[dict[str, JsonValue], ...]) -> tuple[Source, ...]:
    """The readers that a document's `sources` names."""
    found = []
    for place, options in enumerate(written):
        location: Location = ("sources", place)
        name, rest = _named(document, location, "reader", options, readers.ROOM)
        found.append(Source(name, _part(document, location, readers.load(name).Options, rest)))
    return tuple(found)


def checked_steps(document: Document, written: tuple[dict[str, JsonValue], ...]) -> tuple[Step, ...]:
    """The steps that a document's `steps` names."""
    found = []
    for place, options in enumerate(written):
        location: Location = ("steps", place)
        name, rest = _named(document, location, "step", options, steps.ROOM)
        found.append(Step(name, _part(document, location, steps.load(name).Options, rest)))
    return tuple(found)


def _named(
    document: Document, location: Location, what: str, options: dict[str, JsonValue], room: str
) -> tuple[str, dict[str, JsonValue]]:
    """The name of a reader or step, and its options."""
    where = f"{document.path}:{document.line((*location, what))}"
    name = options.get(what)
    if not isinstance(name, str):
        raise ConfigError(f"{where}: no `{what}:`; known: {', '.join(plugins.names(room))}")
    try:
        plugins.locate(room, name)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return name, {key: value for key, value in options.items() if key != what}


def _part(
    document: Document, location: Location, record: type[RecordT], data: dict[str, JsonValue]
) -> RecordT:
    """A part of the document as a record, mistakes with their lines in the whole."""
    n = len(location)
    lines = {place[n:]: line for place, line in document.lines.items() if place[:n] == location}
    return Document(document.path, data, lines).checked(record, lambda place: _keys(record, place))


def _known(location: Location) -> list[str]:
    return list(_Written.model_fields)


def _keys(record: type[Record], location: Location) -> list[str]:
    """The keys there are at a place of a part's options."""
    found: type[Any] = record
    for part in location:
        field = found.model_fields.get(str(part)) if hasattr(found, "model_fields") else None
        found = field.annotation if field is not None and isinstance(field.annotation, type) else found
    return list(found.model_fields) if hasattr(found, "model_fields") else []


def _said(options: Record) -> dict[str, Any]:
    return options.model_dump(mode="json", exclude_none=True)
