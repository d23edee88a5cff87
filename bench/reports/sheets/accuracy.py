"""The sheet Accuracy: how often an arm's label is the article's own, where articles have labels."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Accuracy"
ORDER = 28


def applies(data: ReportInput) -> bool:
    """Whether there is anything to be right about."""
    return not data.table("accuracy").empty


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per arm."""
    notes = ["Against the articles' own labels and reference scores, where they have some."]
    write_table_sheet(sheet, data, "accuracy", notes)
