"""The sheet Cells: one row per arm and article."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Cells"
ORDER = 75


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write every cell of the experiment as it was measured."""
    notes = [
        "One row per arm and article. Score and confidence are over valid answers; "
        "an empty cell is undefined, not 0.",
    ]
    write_table_sheet(sheet, data, "cells", notes, first=("arm", "article_id"), freeze_columns=2)
