"""The sheet Accuracy: how often an arm's label is the article's own, where articles have labels."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Accuracy"
ORDER = 25


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per arm, or that there is nothing to be right about."""
    notes = ["Against the articles' own labels and reference scores, where they have some."]
    if not any(article.label or article.reference_score is not None for article in data.articles):
        notes.append("No article has a label: agreement with a baseline is not correctness.")
    write_table_sheet(sheet, data, "accuracy", notes)
