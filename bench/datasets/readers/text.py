"""Plain text for language modelling: books, quotes one a line, WikiText.

In: a .txt file, or a folder of them. Out: rows without a label: a line, a paragraph, a document, or
pieces of about so many characters that end where a line does. Rows of one document are numbered in
order, so that whoever needs context can put it together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from bench.datasets.readers import Counts, FileOptions, files_of
from bench.datasets.row import Row
from bench.errors import ConfigError

LICENCE = None
CREDIT = None


class Options(FileOptions):
    """The file or the folder, and what a row is."""

    unit: Literal["line", "paragraph", "piece", "document"] = "paragraph"
    """A line; lines up to a blank one; lines up to `characters`; the whole file."""
    characters: int = Field(2000, ge=100, le=10_000_000)
    """Least length of a piece, but for a document's last."""
    encoding: str = "utf-8"
    """`utf-8`, `iso-8859-1`, `cp1252`, ..."""


def inputs(options: FileOptions, root: Path) -> list[Path]:
    """The file, or the files of the folder."""
    return files_of(options, root, (".txt", ".tokens", ".raw"))


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """The texts of every file."""
    for path in inputs(options, root):
        try:
            with path.open(encoding=options.encoding) as file:
                for number, text in enumerate(_units(file, options), 1):
                    yield Row(text=text, place=f"{path.name}:{number}")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not {options.encoding}: {error.reason}; set `encoding`") from error
        except LookupError as error:
            raise ConfigError(f"encoding: {error}") from error


def _units(lines: Iterable[str], options: Options) -> Iterator[str]:
    """What a row holds; blank ones are none."""
    held: list[str] = []
    n_characters = 0
    for line in lines:
        is_over = options.unit == "line" or (options.unit == "paragraph" and not line.strip())
        held.append(line)
        n_characters += len(line)
        if is_over or (options.unit == "piece" and n_characters >= options.characters):
            yield from _text(held)
            held, n_characters = [], 0
    yield from _text(held)


def _text(held: list[str]) -> Iterator[str]:
    text = "".join(held).strip()
    if text:
        yield text
