"""The sheet Fine-tuning: base against fine-tuned, and whether quantization changes the difference."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.layout import TableRange, heading, write_frame
from bench.reports.sheets._table import shown, write_table_below

TITLE = "Fine-tuning"
ORDER = 55
_COLUMNS = (
    "arm_a", "arm_b", "n_articles", "mean_difference", "ci_low", "ci_high", "p_value", "p_holm", "rms_drift",
    "rms_drift_upper", "valid_difference", "valid_difference_se", "variance_ratio", "variance_ratio_ci_low",
    "variance_ratio_ci_high", "label_flips", "label_opposite", "latency_ratio", "latency_ratio_ci_low",
    "latency_ratio_ci_high", "note",
)  # fmt: skip


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write the fine-tuning comparisons, and below the interaction of variant and quantization."""
    notes = [
        "Fine-tuned (A) minus base (B) at the same quantization; paired by article, 95 % intervals.",
        "A difference is a change, not an improvement: what is right only labels can say.",
    ]
    pairs = data.table("pairs")
    if "kind" in pairs.columns:
        pairs = pairs[pairs["kind"] == "fine_tuning"]
    frame, _ = shown(pairs, _COLUMNS, (), lambda name: name in _COLUMNS)
    if frame.empty:
        notes.append("This run has no family with a base and a fine-tuned arm at the same quantization.")
    row = heading(sheet, TITLE, notes)
    where = TableRange(row, row, 1, 1)
    if len(frame):
        where = write_frame(sheet, frame, row, freeze_columns=2)
    write_table_below(
        sheet, data, data.table("interaction"), where,
        "Two-way repeated measures, one row per family: variant, quant, and their interaction",
        first=("family", "n_articles"), last=("note",),
    )  # fmt: skip
