"""The sheet Reasoning: how the arms argue, on the same articles for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.columns import COUNT, SCORE, Column
from bench.reports.labels import article_name
from bench.reports.layout import heading, write_frame
from bench.reports.scale import arms_in_order
from bench.reports.text import shortened

TITLE = "Reasoning"
ORDER = 85
_COLUMNS = {
    "article": Column("Article", "@"),
    "arm": Column("Arm", "@"),
    "iteration": Column("Repeat", COUNT),
    "score": Column("Score", SCORE),
    "confidence": Column("Confidence", "0.00"),
    "text": Column("What it said", "@"),
}
_WIDTHS = {"article": 34.0, "arm": 34.0, "iteration": 9.0, "score": 9.0, "confidence": 11.0, "text": 95.0}


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write the first valid answer of every arm to some articles, article by article."""
    import pandas as pd

    frame = pd.DataFrame(_rows(data), columns=list(_COLUMNS), dtype=object)
    notes = [
        "The first valid answer of every arm to the same articles, evenly spread over the run; "
        "an arm without a valid answer to an article is not in its block.",
    ]
    if frame.empty:
        notes.append("No valid answer was handed to this report.")
    write_frame(
        sheet, frame, heading(sheet, TITLE, notes), columns=_COLUMNS, widths=_WIDTHS, freeze_columns=2
    )


def _rows(data: ReportInput) -> list[dict[str, Any]]:
    titles = {article.id: shortened(article_name(article), 90) for article in data.articles}
    order = {article: index for index, article in enumerate(data.manifest.article_ids)}
    places = arms_in_order(data.manifest, [str(sample.get("arm")) for sample in data.valid])
    rank = {place.arm: index for index, place in enumerate(places)}
    schema: Any = data.manifest.task.get("answer") or {}
    samples = sorted(
        data.valid, key=lambda s: (order.get(str(s.get("article_id")), len(order)), rank[str(s.get("arm"))])
    )
    return [_row(sample, titles, schema) for sample in samples]


def _row(sample: Mapping[str, Any], titles: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, Any]:
    answer: Mapping[str, Any] = (sample.get("verdict") or {}).get("answer") or {}
    numbers = {schema.get("score"), schema.get("confidence")}
    said = [str(value) for name, value in answer.items() if name not in numbers and isinstance(value, str)]
    article = str(sample.get("article_id"))
    return {
        "article": titles.get(article, article),
        "arm": str(sample.get("arm")),
        "iteration": sample.get("iteration"),
        "score": answer.get(str(schema.get("score"))),
        "confidence": answer.get(str(schema.get("confidence"))),
        "text": "\n".join(said),
    }
