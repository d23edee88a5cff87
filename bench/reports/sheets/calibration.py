"""The sheet Calibration: does a stated confidence mean what it says, and pass^k, k answers all right."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.columns import SHARE, Column
from bench.reports.sheets._table import IDENTITY, is_calibration, write_table_below, write_table_sheet

TITLE = "Calibration"
ORDER = 31
_NOTES = (
    "Expected calibration error: how far stated confidence and share right lie apart, over 10 bins; noise "
    "alone raises it. Brier score: mean square of their distance.",
    "Overconfidence: confidence minus share right.",
    "Bounds are 95 % over items. Only valid answers that state a confidence are in it.",
)


_BOUNDS = {"ci_low": Column("pass^k, 95 % low", SHARE), "ci_high": Column("pass^k, 95 % high", SHARE)}


def applies(data: ReportInput) -> bool:
    """Whether any answer to an item with a label states a confidence, or any item was answered twice."""
    table = data.table("calibration")
    return bool(len(table) and table["n_answers"].sum()) or not data.table("consistency").empty


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write a row per arm, below it a row per arm and bin, and a row per arm and k."""
    where = write_table_sheet(
        sheet, data, "quality", _NOTES, first=("arm",), wanted=lambda c: c == "arm" or is_calibration(c)
    )
    where = write_table_below(
        sheet, data, data.table("calibration"), where,
        "Bin by bin: of the answers that state such a confidence, the share that is right. "
        "Item weight is how many items' worth of answers a bin holds", first=("arm",), last=IDENTITY,
    )  # fmt: skip
    write_table_below(
        sheet, data, data.table("consistency"), where,
        "pass^k: the chance that k answers to an item are all right", first=("arm",), last=IDENTITY,
        columns=_BOUNDS,
    )  # fmt: skip
