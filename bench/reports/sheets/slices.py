"""The sheet Slices: where an arm is worse: by source, length, company, label and other groups of articles."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.analysis.slice_sentences import slice_sentences
from bench.reports import ReportInput
from bench.reports.columns import COUNT, Column
from bench.reports.layout import heading, write_frame
from bench.reports.sheets._table import IDENTITY, ordered

TITLE = "Slices"
ORDER = 32
MOST_ROWS = 2_000
_COLUMNS = {
    "value": Column("Mean", "0.000"),
    "ci_low": Column("Mean, 95 % low", "0.000"),
    "ci_high": Column("Mean, 95 % high", "0.000"),
    "elsewhere": Column("Mean elsewhere", "0.000"),
    "difference": Column("Slice minus elsewhere", "0.000"),
    "rank": Column("Rank", COUNT),
}
_NOTES = (
    "A slice against the other articles: its mean with a 95 % interval of its own, the mean elsewhere, and a "
    "permutation test. Rank 1 is the worst. Slices of fewer than 5 articles are not tested.",
    "p, Holm is corrected for all slices of that arm and measure; of the worst of many the interval is "
    "too kind.",
    "accuracy_change: the arm's accuracy minus its baseline's, by article: where a quantization hurts.",
)


def applies(data: ReportInput) -> bool:
    """Whether the articles differ in anything."""
    return not data.table("slices").empty


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per arm, measure and slice, the worst first."""
    table = ordered(data.table("slices"), ("arm", "measure", "rank", "dimension", "slice"), IDENTITY)
    left_out = len(table) - MOST_ROWS
    more = [f"{left_out} more rows are in slices.csv."] if left_out > 0 else []
    said = slice_sentences(table) if len(table) else ["This run has no rows for this table."]
    row = heading(sheet, TITLE, [*said, *_NOTES, *more])
    write_frame(sheet, table.head(MOST_ROWS), row, columns=_COLUMNS)
