"""The sheet Decision: one row per arm in plain words, for whoever reads only one sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openpyxl.styles import Font
from openpyxl.worksheet.pagebreak import Break
from openpyxl.worksheet.worksheet import Worksheet

from bench.analysis.quality_sentences import quality_sentences
from bench.records import GateResult
from bench.reports import ReportInput
from bench.reports.columns import MEGABYTES, SECONDS, Column
from bench.reports.decision import (
    NOT_READ,
    NOTHING,
    OWN,
    QUESTIONS,
    VERDICTS,
    Decision,
    Shown,
    decisions,
    defined,
    in_words,
    looked,
    question_titles,
)
from bench.reports.headline import about, headline
from bench.reports.layout import STRONG_FONT, TableRange, heading, put, write_frame
from bench.reports.scale import has_score, score_limits

TITLE = "Decision"
ORDER = 10
MOST_PLACES = 5
"""Arms that are named above the table."""

_COSTS = {
    "seconds_per_valid": Column("Time per valid answer (s)", SECONDS),
    "file_bytes": Column("Model size (MB)", MEGABYTES),
    "peak_memory_bytes": Column("Peak memory (MB)", MEGABYTES),
}
_COLUMNS = {
    "arm": Column("Arm", "@"),
    "verdict": Column("Verdict", "@"),
    **{name: Column(title, "@") for name, title in QUESTIONS.items()},
    **_COSTS,
    "words": Column("In words", "@"),
}
_WIDTHS = {"arm": 30.0, "verdict": 17.0, **dict.fromkeys(QUESTIONS, 22.0), **dict.fromkeys(_COSTS, 9.0),
           "words": 46.0}  # fmt: skip
_NUMBERS = {
    "arm": Column("Arm", "@"),
    "question": Column("Question", "@"),
    "verdict": Column("Verdict", "@"),
    "estimate": Column("Estimate", "0.0000"),
    "lower": Column("Lower bound", "0.0000"),
    "upper": Column("Upper bound", "0.0000"),
    "margin": Column("Margin", "0.0000"),
    "unit": Column("Unit", "@"),
    "reason": Column("Why", "@"),
}
_INK = {"pass": "1B6B3A", "fail": "A4260F", "measurement_invalid": "A4260F", "not_enough_data": "7A5600"}


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write what was measured, one row per arm with the questions, and below the same as numbers."""
    import pandas as pd

    rows, titles = decisions(data), question_titles(data)
    frame = pd.DataFrame([_row(row) for row in rows], columns=list(_COLUMNS))
    hidden = ["verdict"] if data.gate is None else []
    hidden += [name for name in QUESTIONS if name not in titles]
    hidden += [name for name in _COSTS if frame[name].isna().all()]
    frame = frame.drop(columns=hidden)
    head = _head(data.gate) if data.gate else []
    row = heading(sheet, f"Decision on run {data.manifest.run_id}", [*head, *_notes(data)])
    for place in range(len(head)):
        sheet.cell(2 + place, 1).font = STRONG_FONT
    headers = {name: Column(title, "@") for name, title in titles.items()}
    where = write_frame(sheet, frame, row, columns=_COLUMNS | headers, widths=_WIDTHS)
    if data.gate is not None:
        _ink(sheet, where, rows, list(titles))
    kept = (sheet.freeze_panes, sheet.auto_filter.ref, sheet.page_setup.fitToWidth)
    sheet.row_breaks.append(Break(id=where.last + 2))
    put(sheet, where.last + 3, 1, "The same as numbers, one row per question").font = STRONG_FONT
    numbers = pd.DataFrame([part for one in rows for part in _numbers(one, titles)], columns=list(_NUMBERS))
    if data.gate is None:
        numbers = numbers.drop(columns=["verdict", "margin", "reason"])
    write_frame(sheet, numbers, where.last + 4, columns=_NUMBERS)
    sheet.freeze_panes, sheet.auto_filter.ref, sheet.page_setup.fitToWidth = kept
    sheet.print_title_rows = None  # on a later page it would stand above the wrong table


def _notes(data: ReportInput) -> list[str]:
    manifest = data.manifest
    low, high = score_limits(manifest)
    notes = [
        f"Task {manifest.task.get('name', 'unknown')}; {len(manifest.article_ids)} articles, "
        f"{manifest.iterations} answers each; made {manifest.started_at:%Y-%m-%d}; status {manifest.status}.",
        (f"The score goes from {low:g} to {high:g}. " if has_score(manifest) else "")
        + "The article is the unit: all bounds are over articles. – is undefined.",
    ]
    notes += quality_sentences(data.table("quality"), data.table("quality_pairs"), manifest.specs)
    notes += _reading(data)
    if data.gate is None and not any(
        article.label or article.reference_score is not None for article in data.articles
    ):
        notes.append("No article has a label: this is agreement with the baseline, not correctness.")
    return notes


def _reading(data: ReportInput) -> list[str]:
    """How to read the intervals, with and without the gate."""
    titles = question_titles(data)
    own = titles.get(OWN)
    if data.gate is None:
        return [
            NOT_READ,
            "Valid answers: the arm's own rate, 95 %. Mean score: minus the baseline's, 90 %. "
            "Drift and labels: one-sided 95 % bounds. Variance: ratio to the baseline's, 95 %.",
            "An interval around no difference shows no difference; it does not show that there is none.",
        ]
    return [
        f"Bounds are one-sided, 95 %{f', but of {own.lower()} two-sided' if own else ''}. "
        + " ".join(
            f"{titles.get(name, name)}: {text}" for name, text in data.gate.asked.items() if name in titles
        ),
        *data.gate.notes,
        *looked(data.gate),
    ]


def _head(gate: GateResult) -> list[str]:
    """Which arms may be shipped, how sure that is and what they cost."""
    found = headline(gate)
    lines = [f"Place {arm.rank}: {arm.arm}: {about(arm)}" for arm in found.passing[:MOST_PLACES]]
    more = len(found.passing) - MOST_PLACES
    return [found.summary, *lines, *([f"... and {more} more below."] if more > 0 else [])]


def _row(row: Decision) -> dict[str, Any]:
    cells = {name: _cell(row.questions.get(name, NOTHING)) for name in QUESTIONS}
    costs = {name: defined(row.figures.get(name)) for name in _COSTS}
    verdict = VERDICTS.get(row.verdict, row.verdict)
    return {"arm": row.arm, "verdict": verdict, **cells, **costs, "words": _words(row)}


def _cell(shown: Shown) -> str:
    word = f"{VERDICTS.get(shown.verdict, shown.verdict)}\n" if shown.verdict else ""
    return word + in_words(shown).replace("; ", "\n")


def _words(row: Decision) -> str:
    said = [f"Compared with {row.baseline}."] if row.baseline else []
    said += [f"Place {row.rank} among the arms that pass."] if row.rank else []
    said += [f"{reason.removesuffix('.')}." for reason in row.reasons]
    failed = defined(row.figures.get("n_failed_measurements"))
    said += [f"{failed:.0f} measurements failed."] if failed else []
    return " ".join(said)


def _numbers(row: Decision, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "arm": row.arm,
            "question": titles.get(name, name),
            "verdict": VERDICTS.get(shown.verdict, shown.verdict),
            **{
                key: getattr(shown, key) for key in ("estimate", "lower", "upper", "margin", "unit", "reason")
            },
        }
        for name, shown in row.questions.items()
        if name in titles
    ]


def _ink(sheet: Worksheet, where: TableRange, rows: list[Decision], shown: list[str]) -> None:
    """Colour the words of verdicts, which say the same without it."""
    for offset, row in enumerate(rows, where.header + 1):
        verdicts = [row.verdict, *(row.questions.get(name, NOTHING).verdict for name in shown)]
        for column, verdict in enumerate(verdicts, 2):
            if verdict in _INK:
                sheet.cell(offset, column).font = Font(
                    name="Calibri", size=10, bold=column == 2, color=_INK[verdict]
                )
