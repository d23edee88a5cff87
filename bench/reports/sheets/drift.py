"""The sheet Drift: every comparison of two arms, the naive test beside the paired one."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import starting, write_table_sheet

TITLE = "Drift"
ORDER = 30

_ELSEWHERE = starting("valid_", "variance_", "latency_")
"""These stand in the sheets Validity, Variance and Latency."""


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write the comparisons, A minus B."""
    notes = [
        "One row per comparison, A minus B. t, p and the intervals are paired: one mean per article and arm.",
        "The grey columns are the NAIVE test, which pools all answers as if they were independent: "
        "shown as what not to use.",
        "A large p is no proof that two arms are equal. Article by article: the next sheet.",
    ]
    first = (
        "kind", "arm_a", "arm_b", "n_articles", "mean_difference", "ci_low", "ci_high", "t", "dof", "p_value",
        "p_holm", "naive_t", "naive_p", "rms_drift", "rms_drift_lower", "rms_drift_upper", "noise_floor",
        "max_abs_drift", "worst_article", "cohen_dz",
    )  # fmt: skip
    write_table_sheet(
        sheet, data, "pairs", notes, first=first, wanted=lambda name: not _ELSEWHERE(name), freeze_columns=3
    )
