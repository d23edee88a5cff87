"""The sheet Latency: what an answer costs in seconds, and a model in bytes."""

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.charts import bar_chart
from bench.reports.sheets._table import PAIR, is_speed, starting, write_table_below, write_table_sheet

TITLE = "Latency"
ORDER = 60


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per arm, the ratios between arms, and a chart."""
    notes = [
        "Seconds of answers that had the engine to themselves; empty where none was timed alone.",
        "Time per valid answer counts the time of invalid answers too: they were waited for.",
    ]
    first = (
        "arm", "seconds_per_valid", "duration_mean_s", "duration_p50_s", "duration_p95_s", "ttft_p50_s",
        "tokens_per_s", "file_bytes", "peak_memory_bytes",
    )  # fmt: skip
    where = write_table_sheet(
        sheet, data, "arms", notes, first=first, wanted=lambda name: name == "arm" or is_speed(name)
    )
    below = write_table_below(
        sheet, data, data.table("pairs"), where, "Seconds of A relative to B, 95 % intervals over articles",
        first=("arm_a", "arm_b", "kind"), wanted=starting("latency_", also=PAIR),
    )  # fmt: skip
    bar_chart(sheet, where, "Time per valid answer (s)", "seconds per valid answer", after=below.last)
