"""The sheet Iterations: did anything change from one repeat to the next."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Iterations"
ORDER = 90


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per arm and repeat."""
    notes = ["One row per arm and repeat (counted from 0). Repeats are no independent observations."]
    write_table_sheet(sheet, data, "iterations", notes, first=("arm", "iteration"), freeze_columns=2)
