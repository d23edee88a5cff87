"""The sheet ANOVA: do the quantizations of a group differ, the naive test beside the correct one."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "ANOVA"
ORDER = 50


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per group."""
    notes = [
        "One row per group (quantizations of one model). F and p are of a repeated-measures ANOVA over "
        "articles; GG is the Greenhouse-Geisser correction.",
        "The grey columns are the NAIVE one-way ANOVA over pooled answers: shown as what not to use.",
    ]
    first = (
        "group", "n_articles", "n_arms", "f", "dof1", "dof2", "p_value", "gg_epsilon", "p_gg", "naive_f",
        "naive_p",
    )  # fmt: skip
    write_table_sheet(sheet, data, "anova", notes, first=first)
