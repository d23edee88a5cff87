"""The sheet Summary: one row per arm, in words, for whoever reads only one sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.columns import MEGABYTES, P_VALUE, SCORE, SECONDS, SHARE, Column
from bench.reports.layout import colour_columns, heading, write_frame
from bench.reports.scale import arms_in_order, score_limits

TITLE = "Summary"
ORDER = 10

_COLUMNS = {
    "arm": Column("Arm", "@"),
    "valid_rate": Column("Valid rate", SHARE),
    "valid_ci_low": Column("95 % low", SHARE),
    "valid_ci_high": Column("95 % high", SHARE),
    "score_mean": Column("Mean score", SCORE),
    "score_ci_low": Column("95 % low", SCORE),
    "score_ci_high": Column("95 % high", SCORE),
    "duration_mean_s": Column("Time per answer (s)", SECONDS),
    "file_bytes": Column("Model size (MB)", MEGABYTES),
    "compared_with": Column("Compared with", "@"),
    "mean_difference": Column("Score difference", SCORE),
    "ci_low": Column("95 % low", SCORE),
    "ci_high": Column("95 % high", SCORE),
    "p_holm": Column("p, paired (Holm)", P_VALUE),
    "words": Column("In words", "@"),
}
_WIDTHS = dict.fromkeys(_COLUMNS, 10.0) | {"arm": 30.0, "compared_with": 30.0, "words": 58.0}
_FROM_ARM = (
    "valid_rate", "valid_ci_low", "valid_ci_high", "score_mean", "score_ci_low", "score_ci_high",
    "duration_mean_s", "file_bytes",
)  # fmt: skip
_FROM_PAIR = ("mean_difference", "ci_low", "ci_high", "p_holm")


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write what was measured and one row per arm with its comparison to the baseline."""
    import pandas as pd

    arms = {str(row["arm"]): row for row in _records(data, "arms") if "arm" in row}
    pairs = {str(row["arm_a"]): row for row in _records(data, "pairs") if row.get("kind") == "quantization"}
    names = arms or dict.fromkeys(record.arm for record in data.manifest.arms)
    rows = [
        _row(place.arm, arms.get(place.arm) or {}, pairs.get(place.arm))
        for place in arms_in_order(data.manifest, names)
    ]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    row = heading(sheet, f"Summary of run {data.manifest.run_id}", _notes(data))
    where = write_frame(sheet, frame, row, columns=_COLUMNS, widths=_WIDTHS)
    colour_columns(sheet, frame, where, score_limits(data.manifest))


def _notes(data: ReportInput) -> list[str]:
    manifest = data.manifest
    low, high = score_limits(manifest)
    notes = [
        f"Task {manifest.task.get('name', 'unknown')}; {len(manifest.article_ids)} articles, "
        f"{manifest.iterations} answers each; made {manifest.started_at:%Y-%m-%d}; status {manifest.status}.",
        f"The score goes from {low:g} to {high:g}. Intervals are over articles, 95 %. "
        "An empty cell is undefined.",
        "A difference is this arm minus the one it is compared with. An interval that contains 0 shows no "
        "difference; it does not show that there is none.",
    ]
    if not any(article.label or article.reference_score is not None for article in data.articles):
        notes.append("No article has a label: this is agreement with the baseline, not correctness.")
    return notes


def _records(data: ReportInput, name: str) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in data.table(name).to_dict("records")]


def _row(arm: str, figures: Mapping[str, Any], pair: Mapping[str, Any] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"arm": arm, **{name: figures.get(name) for name in _FROM_ARM}}
    if pair is not None:
        row |= {"compared_with": str(pair.get("arm_b")), **{name: pair.get(name) for name in _FROM_PAIR}}
    return row | {"words": " ".join((_valid_words(figures), _score_words(figures), _pair_words(pair)))}


def _valid_words(figures: Mapping[str, Any]) -> str:
    rate = figures.get("valid_rate")
    if _undefined(rate):
        return "No valid rate: nothing was measured."
    interval = _interval(figures, "valid_ci_low", "valid_ci_high", percent=True)
    failed = figures.get("n_failed_measurements")
    lost = "" if _undefined(failed) or not failed else f" {int(failed or 0)} measurements failed."
    return f"{_percent(rate)} of the answers are valid{interval}.{lost}"


def _score_words(figures: Mapping[str, Any]) -> str:
    if _undefined(figures.get("score_mean")):
        return "No mean score: no valid answers."
    return (
        f"Mean score {_number(figures['score_mean'])}{_interval(figures, 'score_ci_low', 'score_ci_high')}."
    )


def _pair_words(pair: Mapping[str, Any] | None) -> str:
    if pair is None:
        return "No comparison: this is a baseline, or its group has none."
    if _undefined(pair.get("mean_difference")):
        return "The comparison is undefined: too few articles with valid answers of both."
    difference = f"Against {pair['arm_b']}: {_number(pair['mean_difference'], sign=True)}"
    low: Any = pair.get("ci_low")
    high: Any = pair.get("ci_high")
    if _undefined(low) or _undefined(high):
        return f"{difference}, without an interval."
    shown = "no difference shown" if low <= 0 <= high else "a difference is shown"
    return f"{difference}{_interval(pair, 'ci_low', 'ci_high')}: {shown}."


def _interval(row: Mapping[str, Any], low: str, high: str, *, percent: bool = False) -> str:
    ends = (row.get(low), row.get(high))
    if any(map(_undefined, ends)):
        return ""
    low_text, high_text = (_percent(end) if percent else _number(end) for end in ends)
    return f" ({low_text.removesuffix(' %')} to {high_text})"


def _undefined(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _percent(value: Any) -> str:
    return f"{100 * float(value):.1f} %"


def _number(value: Any, *, sign: bool = False) -> str:
    # a true minus sign: a line never breaks after it
    return f"{float(value):{'+' if sign else ''}.3f}".replace("-", "−")
