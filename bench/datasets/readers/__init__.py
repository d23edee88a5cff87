"""Readers: one file a source of rows.

A reader is a module with

    Options             a FileOptions: what a recipe may say of the source
    LICENCE, CREDIT     what is known of the set's terms; None where the recipe has to say it
    inputs(options, root) -> list[Path]          the files, in the order they are read
    read(options, root, counts) -> Iterator[Row]  the rows; `counts` gets what was found or left out

In: files below `root`. Out: rows in the files' order, each with its place. A reader mends nothing and
drops only what is no row; it says how much of what. A file that is not what it should be is a
ConfigError with file and line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

from bench import plugins
from bench.datasets.row import Row, Split
from bench.errors import ConfigError
from bench.records import Name, Record, Text

ROOM = "datasets.readers"
Counts = Counter[str]


class FileOptions(Record):
    """What every source may say."""

    path: Text
    """A file, or for some readers a folder; relative to the build's root."""
    name: Name | None = None
    """Name of the source in the card; the reader's own where there is none."""
    split: Split | None = None
    """The side that all of its rows belong on."""
    licence: Text | None = None
    """Its licence, for the card; the reader's own where it is a known set."""
    credit: Text | None = None
    """Whom to name, for the card."""


class Reader(Protocol):
    """What a reader's module offers."""

    Options: ClassVar[type[FileOptions]]
    LICENCE: ClassVar[str | None]
    CREDIT: ClassVar[str | None]

    @staticmethod
    def inputs(options: Any, root: Path) -> list[Path]:
        """The files, in the order they are read."""

    @staticmethod
    def read(options: Any, root: Path, counts: Counts) -> Iterator[Row]:
        """Their rows."""


def load(name: str) -> Reader:
    """A reader by its name; ConfigError with the known names where there is none."""
    return plugins.load(ROOM, name)  # type: ignore[return-value]


def one_file(options: FileOptions, root: Path) -> list[Path]:
    """The one file that `path` names; ConfigError where it is none."""
    path = resolved(options.path, root)
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "no such file"
        raise ConfigError(f"{path}: {what}; correct `path`, or give the folder it lies in with --root")
    return [path]


def files_of(options: FileOptions, root: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The file that `path` names, or every file below it with one of these endings, by name."""
    path = resolved(options.path, root)
    if not path.is_dir():
        return one_file(options, root)
    found = sorted(p for p in path.rglob("*") if p.is_file() and p.name.lower().endswith(suffixes))
    if not found:
        raise ConfigError(f"{path}: no file ending in {', '.join(suffixes)} in it; correct `path`")
    return found


def resolved(path: str, root: Path) -> Path:
    """A recipe's path: from home with `~`, else below the root."""
    return root / Path(path).expanduser()
