"""The sheet Variance: how much of the score's spread is articles, arms, and repeats."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Variance"
ORDER = 50


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per group."""
    notes = [
        "Components of the score's variance: between articles, article by arm, "
        "and between repeats of one cell.",
        "ICC: the share of the variance that lies between articles (article) or between cells (cell).",
    ]
    write_table_sheet(sheet, data, "variance", notes, first=("group",))
