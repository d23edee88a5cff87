"""The sheet Prompt styles: what the task's examples are worth and cost, and what a fine-tune saves of it."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.sheets._table import write_table_sheet

TITLE = "Prompt styles"
ORDER = 57
_NOTES = (
    "shots: a model with the task's examples (A) against itself without (B). tuning_for_shots: a fine-tuned "
    "model without examples (A) against its base with them (B). What training costs is in no column.",
    "Differences are A minus B, paired by article, with 95 % intervals; the verdict goes by p, Holm. "
    "'Undecided' is no difference shown, not none.",
    "A good answer is a right one; where nothing is known to be right, a valid one. Tokens are those of "
    "prompt and answer together.",
    "Seconds are those of answers made alone (bench run --mode latency), the examples read each time. "
    "Answers per second are of the whole run, in which examples that all prompts share are read once.",
)
_LAST = ("family", "quant", "backend", "output", "note")


def applies(data: ReportInput) -> bool:
    """Whether arms differ in their prompt style at all."""
    return not data.table("prompt_styles").empty


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per pair, its answer in words first."""
    write_table_sheet(
        sheet, data, "prompt_styles", _NOTES,
        first=("kind", "arm_a", "arm_b", "verdict", "answer"), last=_LAST, freeze_columns=3,
    )  # fmt: skip
