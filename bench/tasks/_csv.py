"""A table of prompts with expected answers as a task: `bench run --task my.csv`.

    prompt,expected
    "Is 7 a prime number? Answer yes or no.",yes

In: a CSV file (UTF-8, comma) with the columns `prompt` and `expected`; an empty cell in `expected` means
that the right answer is not known. Out: a Task whose prompts are sent as they stand, with nothing before or
after them, and whose answers are bare labels: the different texts in `expected`. White space around an
answer, its case and a final period are tolerated.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from bench.errors import ConfigError
from bench.identity import normalized_text, slug
from bench.records import AnswerField, AnswerSchema
from bench.tasks._task import Item, Task

COLUMNS = ("prompt", "expected")
MAX_LABELS = 50
MAX_LABEL_CHARS = 80


class _Row(NamedTuple):
    line: int
    prompt: str
    expected: str | None


def read_csv(path: Path) -> Task:
    """The task in a CSV file; ConfigError with the line of what is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read()
    except OSError as error:
        raise ConfigError(f"task {path}: {error.strerror}; give a task's name or a readable file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"task {path}: not UTF-8; save the table as CSV in UTF-8") from error
    rows = list(_rows(text, path))
    labels = tuple(sorted({row.expected for row in rows if row.expected is not None}))
    if not labels:
        raise ConfigError(f"task {path}: no answer is expected of any prompt; fill the column `expected`")
    if len(labels) > MAX_LABELS:
        raise ConfigError(
            f"task {path}: {len(labels)} different answers are expected, and a table's answers are labels "
            f"(at most {MAX_LABELS}); write the task as YAML, with a schema of its answers"
        )
    field = AnswerField(name="label", type="text", choices=labels)
    try:
        return Task(
            name=slug(path.stem),
            version="1",
            description=f"The prompts of {path.name}, each answered by a bare label.",
            user="{prompt}",
            answer=AnswerSchema(
                form="label", fields=(field,), label="label", tolerates=("space", "case", "period")
            ),
            labels=labels,
            items=tuple(Item(text=row.prompt, label=row.expected) for row in rows),
        )
    except ValidationError as error:
        message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise ConfigError(f"task {path}: {message}") from error


def _rows(text: str, path: Path) -> Iterator[_Row]:
    """The rows with the line at which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line, begin = 1, 1
    seen: dict[str, int] = {}
    try:
        places = _places(next(reader, []), path)
        begin = reader.line_num + 1
        for cells in reader:
            # a quoted cell may go over several lines: a row is named by its first
            line, begin = begin, reader.line_num + 1
            if not cells:
                continue
            if len(cells) != len(places):
                raise ConfigError(f"{path}:{line}: {len(cells)} cells where the header has {len(places)}")
            row = _row(line, cells[places["prompt"]], cells[places["expected"]], path)
            first = seen.setdefault(normalized_text(row.prompt), line)
            if first != line:
                raise ConfigError(f"{path}:{line}: the same prompt as in line {first}; remove one")
            yield row
    except csv.Error as error:
        raise ConfigError(f"{path}:{begin}: not CSV: {error}") from error
    if not seen:
        raise ConfigError(f"{path}:{begin}: no prompt in it")


def _places(header: list[str], path: Path) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    if sorted(names) != sorted(COLUMNS):
        shown = ", ".join(map(ascii, names)) or "none"
        remedy = "; separate the cells by commas" if len(names) == 1 and ";" in names[0] else ""
        raise ConfigError(f"{path}:1: the columns must be {' and '.join(COLUMNS)}; found {shown}{remedy}")
    return {name: place for place, name in enumerate(names)}


def _row(line: int, prompt: str, expected: str, path: Path) -> _Row:
    label = expected.strip()
    if not prompt.strip():
        raise ConfigError(f"{path}:{line}: the prompt is blank; write one, or remove the row")
    if len(label) > MAX_LABEL_CHARS or not label.isprintable():
        raise ConfigError(
            f"{path}:{line}: expected: a label is one line of at most {MAX_LABEL_CHARS} characters"
        )
    return _Row(line, prompt, label or None)
