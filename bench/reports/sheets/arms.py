"""The sheet Arms: one row per arm with every figure."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Arms"
ORDER = 20


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write the arms' table."""
    notes = [
        "One row per arm. Articles weigh equally; intervals are over articles, 95 %.",
        "Failed measurements are counted apart and are in no rate.",
    ]
    first = (
        "arm", "n_articles", "n_samples", "n_valid", "n_failed_measurements", "valid_rate", "valid_ci_low",
        "valid_ci_high", "score_mean", "score_ci_low", "score_ci_high", "confidence_mean", "duration_mean_s",
        "file_bytes",
    )  # fmt: skip
    write_table_sheet(sheet, data, "arms", notes, first=first)
