"""The sheet Forgetting: how well tuned models foretell text, and how well their bases did."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Forgetting"
ORDER = 56
_NOTES = (
    "General text is read by no training; held-out text is of the kind that was learnt. Surprise is the "
    "negative log-likelihood in nats; a document's mean is one observation, each document weighs 1.",
    "Difference: after minus before, paired by document, with 95 % t intervals. Above 0 the text is foretold "
    "less well than before. An interval around 0 shows neither a change nor that there is none.",
    "Per byte compares models whose tokenizers differ. Perplexity is exp of the documents' mean per token; "
    "'corpus' weighs tokens alike, as others publish it.",
)


def applies(data: ReportInput) -> bool:
    """Whether any text was read before and after a training."""
    return not data.table("forgetting").empty


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per text and tuned arm."""
    first = ("arm", "text", "n_documents", "perplexity_base", "perplexity")
    write_table_sheet(sheet, data, "forgetting", _NOTES, first=first, last=("note",), freeze_columns=2)
