"""The sheet Confusion: which label was answered where which was right, a matrix per arm."""

from __future__ import annotations

from openpyxl.worksheet.worksheet import Worksheet

from bench.reports import ReportInput
from bench.reports.columns import COUNT, SHARE, Column
from bench.reports.layout import STRONG_FONT, colour_scale, heading, put, write_frame
from bench.reports.scale import arms_in_order

TITLE = "Confusion"
ORDER = 29
_NOTES = (
    "A row is the right label, a column what was answered; a row adds up to 100 % of its items, each item's "
    "answers sharing its weight. Garbage is an answer in no category.",
    "The numbers of answers are in confusion.csv.",
)


def applies(data: ReportInput) -> bool:
    """Whether any item has a label."""
    return not data.table("confusion").empty


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write one matrix below the other, in the order of all reports."""
    table = data.table("confusion")
    row = heading(sheet, TITLE, _NOTES)
    if table.empty:
        return
    answered = list(dict.fromkeys(map(str, table["answered"])))
    labels = list(dict.fromkeys(map(str, table["label"])))
    shown = {name: Column(name, SHARE) for name in answered}
    shown |= {"label": Column("Right label", "@"), "n_items": Column("Items", COUNT)}
    for place in arms_in_order(data.manifest, map(str, table["arm"].unique())):
        mine = table[table["arm"] == place.arm]
        matrix = mine.pivot(index="label", columns="answered", values="share").reindex(labels)[answered]
        counts = mine.drop_duplicates("label").set_index("label")["n_items"].reindex(labels)
        frame = matrix.assign(n_items=counts)[["n_items", *answered]].reset_index()
        put(sheet, row, 1, place.arm).font = STRONG_FONT
        where = write_frame(sheet, frame, row + 1, columns=shown)
        for index in range(2, 2 + len(answered)):
            colour_scale(sheet, where.column_range(index), ("FFFFFF", "CFE3F3", "4393C3"))
        row = where.last + 2
    sheet.auto_filter.ref, sheet.freeze_panes, sheet.print_title_rows = None, None, None
