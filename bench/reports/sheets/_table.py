"""A sheet that shows tables of the analysis as they stand.

In: a table's name, which of its columns, and notes. Out: title, notes and table. A column without a
single value is left out and named in a note, so that nothing seems to be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.columns import Column
from bench.reports.layout import STRONG_FONT, TableRange, colour_columns, heading, put, write_frame
from bench.reports.scale import score_limits

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ("family", "variant", "quant", "backend", "prompt_style", "output")
"""Columns that say what an arm's name says already: last."""
Wanted = Callable[[str], bool]


def write_table_sheet(
    sheet: Worksheet,
    data: ReportInput,
    name: str,
    notes: Sequence[str],
    *,
    first: Sequence[str] = (),
    last: Sequence[str] = IDENTITY,
    wanted: Wanted | None = None,
    freeze_columns: int = 1,
) -> TableRange:
    """Write the table `name` with its notes; `first` and `last` are its outer columns, where present."""
    frame, undefined = shown(data.table(name), first, last, wanted)
    said = list(notes)
    if undefined:
        said.append(f"Without a value in this run, left out here: {', '.join(undefined)}.")
    if frame.empty:
        said.append("This run has no rows for this table.")
    row = heading(sheet, sheet.title, said)
    where = write_frame(sheet, frame, row, freeze_columns=freeze_columns)
    colour_columns(sheet, frame, where, score_limits(data.manifest))
    return where


def write_table_below(
    sheet: Worksheet,
    data: ReportInput,
    frame: pd.DataFrame,
    above: TableRange,
    title: str,
    *,
    first: Sequence[str] = (),
    last: Sequence[str] = (),
    wanted: Wanted | None = None,
    columns: Mapping[str, Column] | None = None,
) -> TableRange:
    """Write a second table below the first, whose frozen header and filter stay; nothing if it is empty.

    Two arms' names become one column, so that the columns above keep their widths.
    """
    frame, _ = shown(frame, first, last, wanted)
    if frame.empty:
        return above
    if {"arm_a", "arm_b"} <= set(frame.columns):
        names = frame["arm_a"].astype(str) + "\nagainst " + frame["arm_b"].astype(str)
        frame = frame.drop(columns=["arm_a", "arm_b"])
        frame.insert(0, "comparison", names)
    kept = (sheet.freeze_panes, sheet.auto_filter.ref)
    row = above.last + 3
    put(sheet, row, 1, title).font = STRONG_FONT
    where = write_frame(sheet, frame, row + 1, columns=columns)
    sheet.freeze_panes, sheet.auto_filter.ref = kept
    sheet.print_title_rows = None  # on a later page it would stand above the wrong table
    colour_columns(sheet, frame, where, score_limits(data.manifest))
    return where


def shown(
    frame: pd.DataFrame, first: Sequence[str], last: Sequence[str], wanted: Wanted | None
) -> tuple[pd.DataFrame, list[str]]:
    """The wanted columns in order, and the names of those that hold no value at all."""
    chosen = [column for column in map(str, frame.columns) if wanted is None or wanted(column)]
    frame = ordered(frame[chosen], first, last)
    undefined = [str(column) for column in frame.columns if len(frame) and frame[column].isna().all()]
    return frame.drop(columns=undefined), undefined


def ordered(frame: pd.DataFrame, first: Sequence[str], last: Sequence[str] = ()) -> pd.DataFrame:
    """The frame with the columns `first` before and `last` after the others, those that it has."""
    leading = [column for column in first if column in frame.columns]
    closing = [column for column in last if column in frame.columns and column not in leading]
    others = [column for column in frame.columns if column not in {*leading, *closing}]
    return frame[leading + others + closing]


def starting(*prefixes: str, also: Collection[str] = ()) -> Wanted:
    """Columns whose name begins with one of the prefixes, or that are named."""
    return lambda column: column.startswith(prefixes) or column in also


def is_validity(column: str) -> bool:
    """Whether a column of `arms` belongs to the sheet Validity."""
    counts = {"n_articles", "n_samples", "n_valid", "n_failed_measurements", "n_eff", "icc"}
    return column.startswith("valid_") or column in counts


def is_calibration(column: str) -> bool:
    """Whether a column of `quality` belongs to the sheet Calibration."""
    return column.startswith(("ece", "brier", "overconfidence")) or column.endswith("with_confidence")


def is_speed(column: str) -> bool:
    """Whether a column of `arms` belongs to the sheet Latency."""
    speeds = (
        "duration_",
        "seconds_",
        "ttft_",
        "tokens_per_s",
        "answers_per_s",
        "latency_",
        "prefill_",
        "decode_",
        "load_",
    )
    return column.startswith(speeds) or column in {"file_bytes", "peak_memory_bytes", "n_timed"}


PAIR = ("kind", "arm_a", "arm_b")
"""The columns that name a comparison."""
