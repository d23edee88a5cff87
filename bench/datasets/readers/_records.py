"""Records of CSV, TSV and JSON-lines files, one by one, with what is wrong by file and line.

In: a path. Out: the number of each record (from 1, without the header) and its columns. Newlines inside
quotes belong to their field; numbers and ids stay text, so that none loses a digit. Nothing is loaded
whole.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import ConfigError

_LONGEST_FIELD = 16 * 2**20
_EXCEL_ERRORS = frozenset({"#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#N/A", "#NUM!", "#NULL!"})
csv.field_size_limit(_LONGEST_FIELD)


class Found(NamedTuple):
    """One record."""

    number: int
    columns: dict[str, str | None]
    """Texts; None where a column is empty or missing."""
    place: str
    """`file:number`."""


def csv_records(
    path: Path, needed: Iterable[str] = (), *, encoding: str = "utf-8", delimiter: str = ","
) -> Iterator[Found]:
    """The records of a CSV file with a header; every one has as many fields as the header."""
    with path.open(encoding=encoding, newline="") as file:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            names = [name.strip().removeprefix("\ufeff") for name in next(rows, [])]
            _check_header(path, names, needed)
            for number, fields in enumerate(rows, 1):
                if len(fields) != len(names):
                    if not fields:
                        continue  # a blank line
                    raise ConfigError(
                        f"{path}:{rows.line_num}: {len(fields)} fields where the header has {len(names)}; "
                        "is a quote missing?"
                    )
                columns = {name: field or None for name, field in zip(names, fields, strict=True)}
                yield Found(number, columns, f"{path.name}:{number}")
        except csv.Error as error:
            raise ConfigError(f"{path}:{rows.line_num}: not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise _not_in(path, encoding, error) from error


def jsonl_records(path: Path, *, encoding: str = "utf-8") -> Iterator[Found]:
    """The records of a file with a JSON object a line; numbers and other values as JSON writes them."""
    with path.open(encoding=encoding, newline="\n") as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    found = _object(line, f"{path}:{number}")
                    columns = {name: _as_text(value) for name, value in found.items()}
                    yield Found(number, columns, f"{path.name}:{number}")
        except UnicodeDecodeError as error:
            raise _not_in(path, encoding, error) from error


def is_excel_error(text: str | None) -> bool:
    """Whether a spreadsheet left its error where a text was."""
    return text is not None and text.strip() in _EXCEL_ERRORS


def number(text: str | None, where: str) -> float | None:
    """A number of a column; ConfigError for what is none."""
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {text[:40]!a} is not a number") from error
    if found - found != 0:
        raise ConfigError(f"{where}: {text[:40]!a} is not a finite number")
    return found


def _check_header(path: Path, names: list[str], needed: Iterable[str]) -> None:
    if not names:
        raise ConfigError(f"{path}: the file is empty; a header with the columns' names comes first")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{path}:1: the column {twice!a} is there twice")
    missing = [name for name in needed if name not in names]
    if missing:
        raise ConfigError(f"{path}:1: no column {missing[0]!a}; there are: {', '.join(names)}")


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: nested too deeply") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{where}: not a JSON object; each line is one record")
    return found


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        # half of a surrogate pair cannot be written again
        return value.encode("utf-8", "backslashreplace").decode("utf-8") or None
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _not_in(path: Path, encoding: str, error: UnicodeDecodeError) -> ConfigError:
    return ConfigError(
        f"{path}: not {encoding}: {error.reason}; set `encoding` (iso-8859-1, cp1252) or save it as UTF-8"
    )
