"""The tables as CSV files, one each, for whoever computes on.

In: the analysis's tables. Out: UTF-8, one header row, `.` decimals, every digit a number has (it reads
back as the same float), an empty cell where a value is undefined. Text can never become a formula.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import disk_errors
from bench.reports.text import csv_text
from bench.reports.values import plain
from bench.store import write_whole

if TYPE_CHECKING:
    import pandas as pd


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write `<name>.csv` for every table into `folder`; the paths, in the tables' order."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.csv" for name in tables]
    for path, table in zip(paths, tables.values(), strict=True):
        write_whole(path, csv_bytes(table))
    return paths


def csv_bytes(table: pd.DataFrame) -> bytes:
    """One table as the bytes of its CSV file."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([csv_text(str(column)) for column in table.columns])
    columns = [_csv_column(table.iloc[:, index].tolist()) for index in range(table.shape[1])]
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue().encode("utf-8")


def _csv_column(values: list[Any]) -> list[str]:
    """`csv_value` of each; names stand in many rows and are made inert once."""
    known: dict[str, str] = {}
    cells = []
    for value in values:
        kind = type(value)
        if kind is float:
            cells.append("" if math.isnan(value) else repr(value))
        elif kind is str:
            cell = known.get(value)
            if cell is None:
                cell = known[value] = csv_text(value)
            cells.append(cell)
        else:
            cells.append(csv_value(value))
    return cells


def csv_value(value: Any) -> str:
    """One value as a CSV cell: "" for what is undefined, all digits of a number, inert text."""
    defined = plain(value)
    if defined is None:
        return ""
    if isinstance(defined, bool):
        return "true" if defined else "false"
    return csv_text(defined) if isinstance(defined, str) else repr(defined)
