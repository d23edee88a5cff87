"""Any CSV, TSV or JSON-lines file, with a map from what a row has to the file's columns.

    - reader: table
      path: reviews.jsonl
      columns: {text: body, label: stars, id: review_id}

In: a file (or a folder of them) and the map. Out: one row a record, in the file's order. A record
without a text, or with a spreadsheet's error (`#NAME?`) for one, is left out and counted.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from bench.datasets.readers import Counts, FileOptions, files_of
from bench.datasets.readers._records import Found, csv_records, is_excel_error, jsonl_records, number
from bench.datasets.row import Row
from bench.errors import ConfigError
from bench.records import Record, Text

LICENCE = None
CREDIT = None
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")


class Columns(Record):
    """Which column holds what; what has no column is absent."""

    text: Text = "text"
    label: Text | None = None
    score: Text | None = None
    confidence: Text | None = None
    reasoning: Text | None = None
    entity: Text | None = None
    title: Text | None = None
    id: Text | None = None
    group: Text | None = None
    """Rows of one group stay on one side of a split: a thread, a document, an author."""
    parent: Text | None = None
    """A text that it answers."""


class TableOptions(FileOptions):
    """How a table is read."""

    columns: Columns = Columns()
    """Which column holds what."""
    encoding: str = "utf-8"
    """`utf-8`, `iso-8859-1`, `cp1252`, ..."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """Between the fields of CSV; a comma where there is none, a tab for .tsv."""
    form: Literal["csv", "jsonl"] | None = None
    """What the file is; by its ending where there is none."""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            return codecs.lookup(value).name
        except LookupError as error:
            raise ValueError(f"no encoding {value!r}; utf-8, iso-8859-1 and cp1252 are common") from error


class Options(TableOptions):
    """The file, or the folder, and its columns."""


def inputs(options: FileOptions, root: Path) -> list[Path]:
    """The file, or the files of the folder."""
    return files_of(options, root, SUFFIXES)


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """The rows of every file."""
    for path in inputs(options, root):
        yield from table_rows(path, options, counts)


def table_rows(path: Path, options: TableOptions, counts: Counts) -> Iterator[Row]:
    """The rows of one file."""
    for found in _records(path, options):
        row = _row(found, options.columns, path)
        if row.text.strip() and not is_excel_error(row.text):
            yield row
        else:
            counts["left out: no text"] += 1


def _records(path: Path, options: TableOptions) -> Iterator[Found]:
    form = options.form or ("jsonl" if path.suffix.lower() in {".jsonl", ".ndjson"} else "csv")
    if options.form is None and path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: neither .csv, .tsv nor .jsonl; say `form: csv` or `form: jsonl`")
    if form == "jsonl":
        return jsonl_records(path, encoding=options.encoding)
    delimiter = options.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    named = [name for name in options.columns.model_dump().values() if name is not None]
    return csv_records(path, named, encoding=options.encoding, delimiter=delimiter)


def _row(found: Found, columns: Columns, path: Path) -> Row:
    def column(name: str | None) -> str | None:
        return None if name is None else found.columns.get(name)

    if columns.text not in found.columns:
        there = ", ".join(found.columns) or "none"
        raise ConfigError(f"{path}: record {found.number}: no {columns.text!a}; there are: {there}")
    where = f"{path}: record {found.number}"
    parent = column(columns.parent)
    return Row(
        text=column(columns.text) or "",
        label=column(columns.label),
        score=number(column(columns.score), where),
        confidence=number(column(columns.confidence), where),
        reasoning=column(columns.reasoning),
        entity=column(columns.entity),
        title=column(columns.title),
        parts=(("parent", parent),) if parent else (),
        group=column(columns.group),
        id=column(columns.id),
        place=found.place,
    )
