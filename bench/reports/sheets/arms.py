"""The sheet Arms: what each arm answers; validity and speed have sheets of their own."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import is_speed, is_validity, write_table_sheet

TITLE = "Arms"
ORDER = 25


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write scores, confidence and signs of habit, one row per arm."""
    notes = [
        "One row per arm, over valid answers. Articles weigh equally; intervals are over articles, 95 %.",
        "Shares at the limits and at 0, few distinct scores: signs that a score is a habit.",
    ]
    first = (
        "arm", "score_mean", "score_ci_low", "score_ci_high", "score_se", "score_variance_within",
        "weighted_score_mean", "confidence_mean",
    )  # fmt: skip
    write_table_sheet(
        sheet,
        data,
        "arms",
        notes,
        first=first,
        wanted=lambda name: not is_validity(name) and not is_speed(name),
    )
