"""The sheet Variance: how much of the score's spread is articles, arms, and repeats."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import PAIR, starting, write_table_below, write_table_sheet

TITLE = "Variance"
ORDER = 40


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per group, and below the ratios between arms."""
    notes = [
        "Components of the score's variance: between articles, article by arm, "
        "and between repeats of one cell.",
        "ICC: the share of the variance that lies between articles (article) or between cells (cell).",
    ]
    where = write_table_sheet(sheet, data, "variance", notes, first=("group",))
    write_table_below(
        sheet, data, data.table("pairs"), where, "Variance between repeats, A relative to B",
        first=("arm_a", "arm_b", "kind"), wanted=starting("variance_", also=PAIR),
    )  # fmt: skip
