"""The sheet Drift by article: how far every article moves in every comparison."""

from __future__ import annotations

from openpyxl.styles import Alignment
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.columns import Column
from bench.reports.labels import article_name
from bench.reports.layout import DIVERGING, colour_scale, heading, write_frame
from bench.reports.text import shortened

TITLE = "Drift by article"
ORDER = 35
_SIGNED = "+0.00;-0.00;0.00"


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write the differences of the mean scores, articles down and comparisons across."""
    import numpy as np

    notes = ["Mean score of A minus mean score of B, article by article; empty where either has none."]
    drift = data.table("drift")
    if not {"arm_a", "arm_b", "article_id", "difference"} <= set(drift.columns) or drift.empty:
        heading(sheet, TITLE, [*notes, "This run has no comparison."])
        return
    pair = drift["arm_a"].astype(str) + "\nminus " + drift["arm_b"].astype(str)
    keyed = drift[["article_id", "difference"]].assign(pair=pair).drop_duplicates(["article_id", "pair"])
    wide = keyed.pivot(index="article_id", columns="pair", values="difference")[list(dict.fromkeys(pair))]
    order = [article for article in data.manifest.article_ids if article in wide.index]
    wide = wide.reindex([*order, *sorted(set(wide.index) - set(order))])
    titles = {a.id: shortened(article_name(a), 90) for a in data.articles}
    frame = wide.reset_index()
    frame.insert(0, "title", [titles.get(article, article) for article in frame["article_id"]])
    pairs = list(wide.columns)
    columns = {"title": Column("Article", "@"), "article_id": Column("Id", "@")}
    columns |= {name: Column(name, _SIGNED) for name in pairs}
    widths = {"title": 44.0, "article_id": 18.0, **dict.fromkeys(pairs, 8.0)}
    where = write_frame(
        sheet, frame, heading(sheet, TITLE, notes), columns=columns, widths=widths, freeze_columns=2
    )
    largest = float(np.nanmax(np.abs(wide.to_numpy(dtype=float)))) if wide.notna().any(axis=None) else 0.0
    for index, name in enumerate(pairs, 2):
        header = sheet.cell(where.header, index + 1)
        header.alignment = Alignment(text_rotation=90, vertical="bottom", wrap_text=True)
        sheet.column_dimensions[get_column_letter(index + 1)].width = widths[name]
        colour_scale(sheet, where.column_range(index), DIVERGING, (-(largest or 1.0), largest or 1.0))
    longest = max((len(part) for name in pairs for part in name.split("\n")), default=10)
    sheet.row_dimensions[where.header].height = min(400, 20 + 5.5 * longest)
