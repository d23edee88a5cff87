"""A workbook's own charts: one figure of every arm as bars, drawn from the sheet's cells.

In: where a table stands and the title of one of its columns. Out: a chart below the table, or none where
the column is not there. Numbers are not copied: the chart follows the cells.
"""

from __future__ import annotations

from openpyxl.chart import BarChart, Reference
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.worksheet.pagebreak import Break
from openpyxl.worksheet.worksheet import Worksheet

from bench.reports.layout import TableRange

_MOST_BARS = 60
_PAGE_ROWS = 15
"""Below so many rows a chart begins a page of its own in print."""


def bar_chart(
    sheet: Worksheet,
    where: TableRange,
    column_title: str,
    axis: str,
    *,
    after: int,
    most: float | None = None,
) -> None:
    """Put bars of the column below row `after`; nothing without that column or with too many arms."""
    titles = [sheet.cell(where.header, column).value for column in range(1, where.last_column + 1)]
    n_arms = where.last - where.header
    if column_title not in titles or not 2 <= n_arms <= _MOST_BARS:
        return
    column = titles.index(column_title) + 1
    chart = BarChart()
    chart.type, chart.style, chart.legend, chart.gapWidth = "bar", 10, None, 40
    chart.title = f"{axis[:1].upper()}{axis[1:]}, arm by arm"
    chart.add_data(Reference(sheet, min_col=column, min_row=where.header + 1, max_row=where.last))
    chart.set_categories(Reference(sheet, min_col=1, min_row=where.header + 1, max_row=where.last))
    chart.series[0].graphicalProperties = GraphicalProperties(solidFill="4393C3")
    chart.y_axis.scaling.min, chart.y_axis.scaling.max = 0, most
    chart.x_axis.scaling.orientation = "maxMin"  # the first arm is at the top, as in the table
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.width, chart.height = 26, 3 + 0.55 * n_arms
    if after > _PAGE_ROWS:
        sheet.row_breaks.append(Break(id=after + 2))
    sheet.add_chart(chart, f"A{after + 3}")
