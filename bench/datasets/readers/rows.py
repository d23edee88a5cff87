"""Rows of a data set that `bench data build` or `bench data label` made, to build on.

In: a `datasets/<name>` folder, or one `rows/*.jsonl` of it. Out: its rows, on the side they were on unless
`keep_split: false`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bench.datasets.readers import Counts, FileOptions, resolved
from bench.datasets.row import SPLITS, Row
from bench.errors import ConfigError

LICENCE = None
CREDIT = None


class Options(FileOptions):
    """The folder or the file."""

    keep_split: bool = True
    """Whether rows stay on their side."""


def inputs(options: FileOptions, root: Path) -> list[Path]:
    """The files of the splits."""
    path = resolved(options.path, root)
    found = [path] if path.is_file() else [path / "rows" / f"{split}.jsonl" for split in SPLITS]
    there = [file for file in found if file.is_file()]
    if not there:
        raise ConfigError(f"{path}: no data set; `bench data build` and `bench data label` make one")
    return there


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """Its rows."""
    for path in inputs(options, root):
        for _, row in rows_of(path):
            yield row if options.keep_split else row._replace(split=None)


def rows_of(path: Path) -> Iterator[tuple[int, Row]]:
    """Line numbers and rows of a file in the form that `line_of` writes."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            try:
                found = json.loads(line)
                parts = tuple((str(n), str(text)) for n, text in found.pop("parts", {}).items())
                yield number, Row(**found, parts=parts)
            except (ValueError, TypeError, AttributeError) as error:
                raise ConfigError(f"{path}:{number}: not a row of a data set: {error}") from error


def line_of(row: Row) -> str:
    """A row as a line of JSON; what is absent is not in it."""
    found = {name: value for name, value in row._asdict().items() if value not in (None, (), "")}
    if row.parts:
        found["parts"] = dict(row.parts)
    return json.dumps(found, ensure_ascii=False)
