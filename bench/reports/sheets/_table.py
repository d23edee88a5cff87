"""A sheet that shows one table of the analysis as it stands.

In: a frame, the columns that come first, and notes. Out: title, notes and table. A column without a
single value is left out and named in a note, so that nothing seems to be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.layout import TableRange, colour_columns, heading, write_frame
from bench.reports.scale import score_limits

if TYPE_CHECKING:
    import pandas as pd


def write_table_sheet(
    sheet: Worksheet,
    data: ReportInput,
    name: str,
    notes: Sequence[str],
    *,
    first: Sequence[str] = (),
    last: Sequence[str] = ("family", "variant", "quant", "backend", "prompt_style", "output"),
    freeze_columns: int = 1,
) -> TableRange:
    """Write the table `name` with its notes; `first` and `last` are its outer columns, where present."""
    frame = ordered(data.table(name), first, last)
    undefined = [str(column) for column in frame.columns if len(frame) and frame[column].isna().all()]
    frame = frame.drop(columns=undefined)
    said = list(notes)
    if undefined:
        said.append(f"Without a value in this run, left out here: {', '.join(undefined)}.")
    if frame.empty:
        said.append("This run has no rows for this table.")
    row = heading(sheet, sheet.title, said)
    where = write_frame(sheet, frame, row, freeze_columns=freeze_columns)
    colour_columns(sheet, frame, where, score_limits(data.manifest))
    return where


def ordered(frame: pd.DataFrame, first: Sequence[str], last: Sequence[str] = ()) -> pd.DataFrame:
    """The frame with the columns `first` before and `last` after the others, those that it has."""
    leading = [column for column in first if column in frame.columns]
    closing = [column for column in last if column in frame.columns and column not in leading]
    others = [column for column in frame.columns if column not in {*leading, *closing}]
    return frame[leading + others + closing]
