"""The sheet Quality: how often each arm is right, which answers turned, and label by label."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import (
    IDENTITY,
    PAIR,
    is_calibration,
    write_table_below,
    write_table_sheet,
)

TITLE = "Quality"
ORDER = 12
_NOTES = (
    "Against the articles' labels and reference scores. An item is an article with one of them; each weighs "
    "1, however often it was answered. Bounds are 95 % over items.",
    "Garbage is an answer in no category: a class of its own, and wrong. Failed measurements are in nothing.",
    "Accuracy has Student's interval and, in 'bounded', one that holds near 0 and 1 too. Balanced accuracy, "
    "F1 and Matthews correlation are bootstrapped over items.",
    "Always right, never right and unstable are shares of the items that were answered twice or more; pass^n "
    "is the chance that n answers to an item are all right.",
)


def applies(data: ReportInput) -> bool:
    """Whether there is anything to be right about."""
    return not data.table("quality").empty


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per arm, below the comparisons, and below them one row per arm and label."""
    last = (*IDENTITY, "note")
    where = write_table_sheet(
        sheet, data, "quality", _NOTES, first=("arm",), last=last, wanted=lambda c: not is_calibration(c)
    )
    where = write_table_below(
        sheet, data, data.table("quality_pairs"), where,
        "A minus B, paired by item; right to wrong and wrong to right go from B to A",
        first=PAIR, last=("note",),
    )  # fmt: skip
    where = write_table_below(
        sheet, data, data.table("quality_labels"), where, "Label by label", first=("arm", "label"), last=last
    )
    write_table_below(
        sheet,
        data,
        data.table("quality_label_pairs"),
        where,
        "Label by label, A minus B",
        first=(*PAIR, "label"),
    )
