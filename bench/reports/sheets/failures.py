"""The sheet Failures: how the answers of each arm failed, and what some of them looked like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from openpyxl.worksheet.worksheet import Worksheet

from bench.records import Outcome
from bench.reports import ReportInput
from bench.reports.columns import COUNT, Column
from bench.reports.labels import article_name
from bench.reports.layout import STRONG_FONT, colour_scale, heading, put, write_frame
from bench.reports.scale import arms_in_order
from bench.reports.text import shortened

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Failures"
ORDER = 80
MAX_TEXTS = 20
"""So many invalid answers of each arm are shown."""

_COLUMNS = {
    "arm": Column("Arm", "@"),
    "article": Column("Article", "@"),
    "iteration": Column("Repeat", COUNT),
    "outcome": Column("Outcome", "@"),
    "recoverable": Column("Recoverable", "@"),
    "errors": Column("What is wrong", "@"),
    "text": Column("The whole answer", "@"),
}
_WIDTHS = {"article": 28.0, "iteration": 9.0, "errors": 40.0, "text": 90.0}


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write the counts (arm x outcome) and, below, the raw texts of some invalid answers."""
    import pandas as pd

    notes = [
        "Answers by outcome. backend_error and context_overflow are failed measurements, "
        "not failures of a model.",
        f"Below: up to {MAX_TEXTS} invalid answers of each arm, as they came.",
    ]
    row = _write_counts(sheet, data.table("failures"), heading(sheet, TITLE, notes), data)
    # as objects: what a model wrote may hold what no string type of pandas can
    texts = pd.DataFrame(_texts(data), columns=list(_COLUMNS), dtype=object)
    put(sheet, row, 1, "Invalid answers" if len(texts) else "No invalid answer was handed to this report.")
    sheet.cell(row, 1).font = STRONG_FONT
    write_frame(sheet, texts, row + 1, columns=_COLUMNS, widths=_WIDTHS)
    sheet.freeze_panes = None  # the lower table's header would hold half the sheet still
    sheet.print_title_rows = None


def _write_counts(sheet: Worksheet, failures: pd.DataFrame, row: int, data: ReportInput) -> int:
    """Write the counts as a matrix; the next free row."""
    if not {"arm", "outcome", "n"} <= set(failures.columns) or failures.empty:
        put(sheet, row, 1, "This run has no counts of outcomes.")
        return row + 2
    counts = failures.pivot_table(index="arm", columns="outcome", values="n", aggfunc="first", observed=True)
    outcomes = [outcome.value for outcome in Outcome if outcome.value in counts.columns]
    matrix = counts.reindex([place.arm for place in arms_in_order(data.manifest, map(str, counts.index))])
    matrix = matrix[outcomes].reset_index()
    shown = {outcome: Column(outcome, COUNT) for outcome in outcomes}
    where = write_frame(sheet, matrix, row, columns=shown)
    sheet.auto_filter.ref = None
    for index, outcome in enumerate(outcomes, 1):
        colour = "9DC3E6" if outcome == Outcome.VALID else "F4B183"
        colour_scale(sheet, where.column_range(index), ("FFFFFF", "FFFFFF", colour))
    return where.last + 3


def _texts(data: ReportInput) -> list[dict[str, Any]]:
    by_arm: dict[str, list[dict[str, Any]]] = defaultdict(list)
    titles = {article.id: shortened(article_name(article), 90) for article in data.articles}
    for sample in data.invalid:
        rows = by_arm[str(sample.get("arm"))]
        if len(rows) < MAX_TEXTS:
            rows.append(_row(sample, titles))
    places = arms_in_order(data.manifest, by_arm)
    return [row for place in places for row in by_arm[place.arm]]


def _row(sample: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    verdict: Mapping[str, Any] = sample.get("verdict") or {}
    completion: Mapping[str, Any] = sample.get("completion") or {}
    errors: Iterable[Any] = verdict.get("errors") or ()
    article = str(sample.get("article_id"))
    return {
        "arm": str(sample.get("arm")),
        "article": titles.get(article, article),
        "iteration": sample.get("iteration"),
        "outcome": str(verdict.get("outcome", "")),
        "recoverable": "yes" if verdict.get("recoverable") else "no",
        "errors": "\n".join(map(str, errors)),
        "text": str(completion.get("text") or ""),
    }
