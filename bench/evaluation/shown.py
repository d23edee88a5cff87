"""An evaluation as tables to read: on the terminal and as `evaluation.md`.

In: the tables of `bench.analysis`. Out: Shown tables (a title, headers, rows of text) and Markdown. It rounds
and words; it computes nothing. What is undefined is a dash. Labels and names are inert in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.analysis.sentences import records
from bench.safe_text import inert

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "–"
LEGEND = (
    "In brackets: 95 % intervals. The item, or the document, is the unit: answers to one count together. "
    "Accuracy: bounds that also hold near 0 and 1. Garbage: answers in no category; they count as wrong. "
    "ECE has no interval: noise alone raises it. Differences are paired; p is Holm's over what is compared."
)


class Shown(NamedTuple):
    """A table to read."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def arm_table(table: pd.DataFrame) -> Shown:
    """A row per arm: what it is and how right it is; columns without any value are left out."""
    rows = list(records(table))
    columns: dict[str, list[str]] = {
        "arm": [str(row["arm"]) for row in rows],
        "role": [str(row["role"]) for row in rows],
        "items": [_count(row, "n_items", "n_samples") for row in rows],
        "valid": [_percent(row, "valid_rate") for row in rows],
        "accuracy": [_percent(row, "accuracy", "accuracy_bounded") for row in rows],
        "macro F1": [_percent(row, "macro_f1", "macro_f1_ci") for row in rows],
        "balanced accuracy": [_percent(row, "balanced_accuracy", "balanced_accuracy_ci") for row in rows],
        "garbage": [_percent(row, "garbage_rate") for row in rows],
        "ECE": [_number(row, "ece") for row in rows],
        "Brier": [_number(row, "brier", "brier_ci") for row in rows],
        "score error": [_number(row, "error_absolute", "error_absolute_ci") for row in rows],
    }
    return _shown("Arms", columns)


def pair_table(table: pd.DataFrame) -> Shown:
    """A row per comparison: difference, what turned, and the verdict."""
    rows = list(records(table))
    columns: dict[str, list[str]] = {
        "A minus B": [f"{row['arm_a']} minus {row['arm_b']}" for row in rows],
        "items": [_count(row, "n_items", "n_scored_items") for row in rows],
        "points": [_points(row, "accuracy_difference", "ci") for row in rows],
        "score error": [_number(row, "error_difference", "error_ci", form="+z.3f") for row in rows],
        "turned right": [_count(row, "n_wrong_to_right") for row in rows],
        "turned wrong": [_count(row, "n_right_to_wrong") for row in rows],
        "macro F1": [_points(row, "macro_f1_difference", "macro_f1_ci") for row in rows],
        "p": [_p(row["p_holm"]) for row in rows],
        "verdict": [str(row["verdict"]) for row in rows],
    }
    return _shown("Was it worth it", columns)


def label_table(table: pd.DataFrame) -> Shown:
    """The classification report: a row per arm and label; garbage is only ever answered."""
    rows = list(records(table))
    columns: dict[str, list[str]] = {
        "arm": [str(row["arm"]) for row in rows],
        "label": [str(row["label"]) for row in rows],
        "items": [_count(row, "n_items") for row in rows],
        "answered": [_percent(row, "answered_share") for row in rows],
        "precision": [_percent(row, "precision", "precision_ci") for row in rows],
        "recall": [_percent(row, "recall", "recall_ci") for row in rows],
        "F1": [_percent(row, "f1", "f1_ci") for row in rows],
    }
    return _shown("By label", columns)


def confusion_tables(table: pd.DataFrame) -> Iterator[Shown]:
    """One matrix an arm: answers by the right label (rows) and the answered one, garbage last."""
    for arm, found in table.groupby("arm", sort=False, observed=True):
        answered = list(dict.fromkeys(found["answered"]))
        counts = {(row["label"], row["answered"]): str(row["n"]) for row in records(found)}
        labels = list(dict.fromkeys(found["label"]))
        rows = tuple((str(right), *(counts[right, one] for one in answered)) for right in labels)
        yield Shown(f"{arm}: right label, answered", ("right \\ answered", *map(str, answered)), rows)


def forgetting_shown(table: pd.DataFrame) -> Shown:
    """A row per text and tuned arm: before and after."""
    rows = list(records(table))
    columns: dict[str, list[str]] = {
        "arm": [str(row["arm"]) for row in rows],
        "text": [str(row["text"]) for row in rows],
        "documents": [_count(row, "n_documents") for row in rows],
        "perplexity before": [_number(row, "perplexity_base", form=".4g") for row in rows],
        "perplexity after": [_number(row, "perplexity", form=".4g") for row in rows],
        "nats per token": [_nats(row, "token") for row in rows],
        "nats per byte": [_nats(row, "byte") for row in rows],
        "p": [_p(_first(row, "p_holm_per_token", "p_holm_per_byte")) for row in rows],
    }
    return _shown("Text, after minus before", columns)


def as_markdown(table: Shown, level: int = 3) -> str:
    """A table with its heading; nothing in a cell can end the cell or the row."""
    lines = ["| " + " | ".join(map(cell, row)) + " |" for row in (table.headers, *table.rows)]
    lines.insert(1, "|" + " --- |" * len(table.headers))
    return "\n".join([f"{'#' * level} {cell(table.title)}", "", *lines, ""])


def cell(text: str) -> str:
    """Text as it stands, in one line of Markdown: nothing in it is a link, a tag or a column."""
    one_line = " ".join(inert(text).split())
    for special in ("\\", "|", "`", "<", "[", "*"):
        one_line = one_line.replace(special, "\\" + special)
    return one_line


# ---------------------------------------------------------------- cells


def _shown(title: str, columns: Mapping[str, Sequence[str]]) -> Shown:
    kept = {header: cells for header, cells in columns.items() if set(cells) - {NOTHING}}
    return Shown(title, tuple(kept), tuple(zip(*kept.values(), strict=True)))


def _value(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    return math.nan if value is None else float(value)


def _first(row: Mapping[str, Any], *names: str) -> float:
    return next((v for name in names if not math.isnan(v := _value(row, name))), math.nan)


def _count(row: Mapping[str, Any], *names: str) -> str:
    value = _first(row, *names)
    return NOTHING if math.isnan(value) else f"{value:.0f}"


def _percent(row: Mapping[str, Any], name: str, bounds: str | None = None) -> str:
    return _spelled(_value(row, name), _ends(row, bounds), 100, "z.1f", " %")


def _points(row: Mapping[str, Any], name: str, bounds: str) -> str:
    return _spelled(_value(row, name), _ends(row, bounds), 100, "+z.1f", "")


def _nats(row: Mapping[str, Any], unit: str) -> str:
    name = f"nats_per_{unit}"
    return _number(row, f"{name}_difference", f"{name}_ci", "+z.4f")


def _number(row: Mapping[str, Any], name: str, bounds: str | None = None, form: str = "z.3f") -> str:
    return _spelled(_value(row, name), _ends(row, bounds), 1, form, "")


def _ends(row: Mapping[str, Any], bounds: str | None) -> list[float]:
    return [] if bounds is None else [_value(row, f"{bounds}_{end}") for end in ("low", "high")]


def _spelled(value: float, ends: Sequence[float], factor: float, form: str, unit: str) -> str:
    if math.isnan(value):
        return NOTHING
    shown = f"{factor * value:{form}}{unit}"
    if not ends or any(math.isnan(end) for end in ends):
        return shown
    low, high = (f"{factor * end:{form}}" for end in ends)
    return f"{shown} ({low} to {high})"


def _p(value: float) -> str:
    return NOTHING if math.isnan(value) else "under 0.001" if value < 0.001 else f"{value:.3f}"
