"""The sheet Articles: what was read, and what each arm made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openpyxl.styles import Alignment
from openpyxl.worksheet.worksheet import Worksheet

from bench.records import Article
from bench.reports import ReportInput
from bench.reports.columns import SCORE, Column
from bench.reports.labels import article_name
from bench.reports.layout import DIVERGING, colour_scale, heading, write_frame
from bench.reports.scale import arms_in_order, score_limits
from bench.reports.text import shortened

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Articles"
ORDER = 70
_BEGINNING_CHARS = 200
_COLUMNS = {
    "article": Column("Article", "@"),
    "title": Column("Title", "@"),
    "beginning": Column("Beginning of the text", "@"),
    "entity": Column("About", "@"),
    "label": Column("Label", "@"),
    "reference_score": Column("Reference score", SCORE),
}
_WIDTHS = {"article": 18.0, "title": 34.0, "beginning": 60.0, "entity": 22.0, "label": 10.0}


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one row per article with the arms' mean scores beside it."""
    import pandas as pd

    notes = [
        "One row per article; on the right each arm's mean score over its valid answers, "
        "empty where it has none.",
    ]
    if not any(article.label or article.reference_score is not None for article in data.articles):
        notes.append("No article has a label: what agrees is agreement between arms, not correctness.")
    about = pd.DataFrame([_about(article) for article in data.articles], columns=list(_COLUMNS))
    scores = _scores(data)
    frame = about.join(scores, on="article")
    columns = {**_COLUMNS, **{arm: Column(arm, SCORE) for arm in map(str, scores.columns)}}
    widths = {**_WIDTHS, **dict.fromkeys(map(str, scores.columns), 9.0)}
    where = write_frame(
        sheet, frame, heading(sheet, TITLE, notes), columns=columns, widths=widths, freeze_columns=2
    )
    for index in range(len(_COLUMNS), len(frame.columns)):
        sheet.cell(where.header, index + 1).alignment = Alignment(text_rotation=90, vertical="bottom")
        colour_scale(sheet, where.column_range(index), DIVERGING, score_limits(data.manifest))
    if len(scores.columns):
        sheet.row_dimensions[where.header].height = min(400, 20 + 6 * max(map(len, scores.columns)))


def _about(article: Article) -> dict[str, Any]:
    entity = article.entity
    name = None if entity is None else f"{entity.name} ({entity.ticker})" if entity.ticker else entity.name
    return {
        "article": article.id,
        "title": article.title or shortened(article_name(article), 90),
        "beginning": shortened(article.text, _BEGINNING_CHARS),
        "entity": name,
        "label": article.label,
        "reference_score": article.reference_score,
    }


def _scores(data: ReportInput) -> pd.DataFrame:
    """Mean scores, articles down and arms across."""
    import pandas as pd

    cells = data.table("cells")
    if not {"arm", "article_id", "score_mean"} <= set(cells.columns):
        return pd.DataFrame()
    keyed = cells.astype({"arm": str, "article_id": str}).drop_duplicates(["article_id", "arm"])
    wide = keyed.pivot(index="article_id", columns="arm", values="score_mean")
    return wide[[place.arm for place in arms_in_order(data.manifest, map(str, wide.columns))]]
