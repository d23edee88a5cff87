"""The sheet Validity: how often each arm answers in form, and how sure that is."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.charts import bar_chart
from bench.reports.sheets._table import PAIR, is_validity, starting, write_table_below, write_table_sheet

TITLE = "Validity"
ORDER = 20


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per arm, a chart, and the differences between arms."""
    notes = [
        "One row per arm. Failed measurements are counted apart and are in no rate. Intervals are over "
        "articles, 95 %.",
        "No failure at all is not 100 %: answers to one article are then taken to fail alike (correlation "
        "0.2), and the worst that is still likely, that whole articles fail, stands beside it.",
    ]
    first = (
        "arm", "n_articles", "n_samples", "n_valid", "n_failed_measurements", "valid_rate",
        "valid_clustered_low", "valid_clustered_high", "valid_worst_low",
    )  # fmt: skip
    where = write_table_sheet(
        sheet, data, "arms", notes, first=first, wanted=lambda name: name == "arm" or is_validity(name)
    )
    below = write_table_below(
        sheet, data, data.table("pairs"), where, "Differences, A minus B",
        first=("arm_a", "arm_b", "kind"), wanted=starting("valid_", also=PAIR),
    )  # fmt: skip
    bar_chart(sheet, where, "Valid rate", "valid rate", after=below.last, most=1.0)
