"""The sheet Accuracy: how often the label of an arm's mean score is the article's own."""

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
    notes = [
        "The label is that of an article's mean score over its valid answers. How often single answers are "
        "right, garbage included, is on the sheet Quality.",
    ]
    write_table_sheet(sheet, data, "accuracy", notes)
