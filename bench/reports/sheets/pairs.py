"""The sheet Pairs: every comparison of two arms, the naive test beside the paired one."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Pairs"
ORDER = 30


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write the comparisons, A minus B."""
    notes = [
        "One row per comparison, A minus B. t, p and the intervals are paired: one mean per article and arm.",
        "The grey columns are the NAIVE test, which pools all answers as if they were independent: "
        "shown as what not to use.",
        "A large p is no proof that two arms are equal.",
    ]
    first = (
        "kind", "arm_a", "arm_b", "n_articles", "mean_difference", "ci_low", "ci_high", "t", "dof", "p_value",
        "p_holm", "naive_t", "naive_p", "cohen_dz",
    )  # fmt: skip
    write_table_sheet(sheet, data, "pairs", notes, first=first, freeze_columns=3)
