"""How a sheet looks: cells, tables with filters and frozen headers, colour scales, print set-up.

In: an openpyxl worksheet and values or frames. Out: cells whose type is set explicitly, so that no
text is ever a formula or an error value. Which rows and columns a sheet shows is each sheet's affair.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from openpyxl.cell import Cell
from openpyxl.formatting.rule import ColorScaleRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.styles.cell_style import StyleArray
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.header_footer import HeaderFooterItem, _HeaderFooterPart
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from bench.reports.columns import Column, column
from bench.reports.text import starts_formula, workbook_text
from bench.reports.values import plain

if TYPE_CHECKING:
    import pandas as pd

TITLE_FONT = Font(name="Calibri", size=14, bold=True, color="1F3A5F")
NOTE_FONT = Font(name="Calibri", size=10, italic=True, color="595959")
HEADER_FONT = Font(name="Calibri", size=10, bold=True, color="FFFFFF")
BODY_FONT = Font(name="Calibri", size=10)
STRONG_FONT = Font(name="Calibri", size=10, bold=True)
HEADER_FILL = PatternFill("solid", start_color="1F3A5F")
NAIVE_FILL = PatternFill("solid", start_color="8C8C8C")
RULE = Border(bottom=Side(style="hair", color="BFBFBF"))

SEQUENTIAL = ("FFFFFF", "F1D77E", "6C8EBF")
DIVERGING = ("D6604D", "F7F7F7", "4393C3")
"""Red, white, blue: told apart by colour-blind readers too."""

_MAX_WIDTH = 60.0
_PAGE_WIDTH = 190.0
"""Characters that are still legible side by side on one landscape page."""
_LINE_HEIGHT = 13.0
_MAX_LINES = 12


class TableRange(NamedTuple):
    """Where a table stands: its header's row, its last row, its first and last column (from 1)."""

    header: int
    last: int
    first_column: int
    last_column: int

    def column_range(self, index: int) -> str:
        """The body cells of one column, counted from the table's first one, as `B5:B9`."""
        letter = get_column_letter(self.first_column + index)
        return f"{letter}{self.header + 1}:{letter}{max(self.last, self.header + 1)}"


def put(sheet: Worksheet, row: int, col: int, value: Any, number_format: str | None = None) -> Cell:
    """Write one value as text, number, boolean or nothing; undefined values leave the cell empty."""
    cell = sheet.cell(row, col)
    assert isinstance(cell, Cell)
    stored = _storable(plain(value))
    _set_value(cell, stored)
    cell.font = BODY_FONT
    if isinstance(stored, str):
        cell.quotePrefix = starts_formula(stored)  # it stays text when somebody edits it
        cell.alignment = Alignment(
            horizontal="left", vertical="top", wrap_text=True, indent=0 if col == 1 else 1
        )
    elif stored is not None:
        cell.alignment = Alignment(vertical="top")
        if number_format and not isinstance(stored, bool):
            cell.number_format = number_format
    return cell


def _set_value(cell: Cell, stored: str | int | float | bool | None) -> None:
    if isinstance(stored, str):
        cell.value = workbook_text(stored)
        cell.data_type = "s"  # openpyxl reads `=...` as a formula and `#N/A` as an error
    elif stored is not None:
        cell.value = stored


class _Column:
    """Writes one column's cells. Building a style is slow: cells of one kind share the first one's."""

    def __init__(self, sheet: Worksheet, index: int, number_format: str) -> None:
        self._sheet, self._index, self._format = sheet, index, number_format
        self._styles: dict[tuple[type, bool], StyleArray] = {}

    def write(self, row: int, value: Any) -> None:
        stored = _storable(plain(value))
        kind = (type(stored), isinstance(stored, str) and starts_formula(stored))
        known = self._styles.get(kind)
        if known is None:
            cell = put(self._sheet, row, self._index, value, self._format)
            cell.border = RULE
            self._styles[kind] = cell._style  # type: ignore[attr-defined]
            return
        cell = self._sheet.cell(row, self._index)  # type: ignore[assignment]
        _set_value(cell, stored)
        cell._style = copy(known)  # type: ignore[attr-defined]


def _storable(value: str | int | float | bool | None) -> str | int | float | bool | None:
    """What a workbook can hold: it has no infinities, and its numbers have 53 bits."""
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)
    return None if value == "" else value


def heading(sheet: Worksheet, title: str, notes: Iterable[str] = ()) -> int:
    """Write a sheet's title and its notes; the next free row, after an empty one."""
    put(sheet, 1, 1, title).font = TITLE_FONT
    sheet.cell(1, 1).alignment = Alignment(wrap_text=False)
    row = 2
    for row, note in enumerate(notes, 2):
        put(sheet, row, 1, note).font = NOTE_FONT
        sheet.cell(row, 1).alignment = Alignment(wrap_text=False)
    return row + 2


def write_frame(
    sheet: Worksheet,
    frame: pd.DataFrame,
    row: int,
    *,
    columns: Mapping[str, Column] | None = None,
    widths: Mapping[str, float] | None = None,
    freeze_columns: int = 1,
) -> TableRange:
    """Write a frame with header, filter, frozen header and widths; `columns` overrides titles."""
    shown = {name: (columns or {}).get(name) or column(name) for name in map(str, frame.columns)}
    lines = [1] * len(frame)
    for index, (name, how) in enumerate(shown.items(), 1):
        values = frame.iloc[:, index - 1].tolist()
        letter = get_column_letter(index)
        width = max((widths or {}).get(name) or _width(how.title, values), _set_width(sheet, letter))
        sheet.column_dimensions[letter].width = width
        _write_header(sheet, row, index, how.title, naive=name.startswith("naive_"), text=_has_text(values))
        cells = _Column(sheet, index, how.number_format)
        for offset, value in enumerate(values):
            cells.write(row + 1 + offset, value)
            lines[offset] = max(lines[offset], _n_lines(value, width))
    for offset, count in enumerate(lines):
        # without a height of its own, not every program makes a row as high as its wrapped text
        sheet.row_dimensions[row + 1 + offset].height = _LINE_HEIGHT * min(count, _MAX_LINES) + 2
    where = TableRange(row, row + len(frame), 1, max(len(shown), 1))
    _make_browsable(sheet, where, min(freeze_columns, len(shown)))
    return where


def _write_header(sheet: Worksheet, row: int, index: int, title: str, *, naive: bool, text: bool) -> None:
    header = put(sheet, row, index, title)
    header.font = HEADER_FONT
    header.fill = NAIVE_FILL if naive else HEADER_FILL
    side, indent = ("left", 0 if index == 1 else 1) if text else ("right", 0)
    header.alignment = Alignment(vertical="center", horizontal=side, wrap_text=True, indent=indent)
    sheet.row_dimensions[row].height = 44


def _make_browsable(sheet: Worksheet, where: TableRange, freeze_columns: int) -> None:
    """Freeze and repeat the header and the first columns, filter all, and fit the width to pages."""
    last = get_column_letter(where.last_column)
    sheet.freeze_panes = f"{get_column_letter(freeze_columns + 1)}{where.header + 1}"
    sheet.auto_filter.ref = f"A{where.header}:{last}{max(where.last, where.header)}"
    sheet.print_title_rows = f"{where.header}:{where.header}"
    letters = [get_column_letter(index) for index in range(1, where.last_column + 1)]
    total = sum(_set_width(sheet, letter) for letter in letters)
    pages = max(1, round(total / _PAGE_WIDTH))
    sheet.page_setup.fitToWidth = pages
    if pages > 1 and freeze_columns:
        sheet.print_title_cols = f"A:{get_column_letter(freeze_columns)}"


def colour_scale(
    sheet: Worksheet, cells: str, colours: Sequence[str], limits: tuple[float, float] | None = None
) -> None:
    """Colour `cells` from the first to the last of three colours, between `limits` or the extremes."""
    low, middle, high = colours
    if limits is None:
        stops: tuple[str | float | None, ...] = (
            "min",
            None,
            low,
            "percentile",
            50,
            middle,
            "max",
            None,
            high,
        )
    else:
        centre = (limits[0] + limits[1]) / 2
        stops = ("num", limits[0], low, "num", centre, middle, "num", limits[1], high)
    sheet.conditional_formatting.add(cells, ColorScaleRule(*stops))  # type: ignore[no-untyped-call]


def colour_columns(
    sheet: Worksheet, frame: pd.DataFrame, where: TableRange, score_limits: tuple[float, float]
) -> None:
    """Colour scales on the columns of a frame that read well with one: rates and mean scores."""
    for index, name in enumerate(map(str, frame.columns)):
        if name in {"valid_rate", "confidence_mean"}:
            colour_scale(sheet, where.column_range(index), ("F4B183", "FFFFFF", "9DC3E6"), (0.0, 1.0))
        elif name in {"score_mean", "weighted_score_mean"}:
            colour_scale(sheet, where.column_range(index), DIVERGING, score_limits)


def set_widths(sheet: Worksheet, widths: Sequence[float]) -> None:
    """Set the first columns' widths, in characters."""
    for index, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(index)].width = width


def print_setup(sheet: Worksheet) -> None:
    """Landscape A4, with the sheet's name and page numbers below."""
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    footer = HeaderFooterItem(left=_HeaderFooterPart(text="&A"), right=_HeaderFooterPart(text="&P / &N"))
    sheet.oddFooter = footer
    sheet.sheet_view.showGridLines = False


def _set_width(sheet: Worksheet, letter: str) -> float:
    return float(sheet.column_dimensions[letter].width) if letter in sheet.column_dimensions else 0.0


def _has_text(values: Sequence[Any]) -> bool:
    return any(isinstance(value, str) for value in values)


def _n_lines(value: Any, width: float) -> int:
    if not isinstance(value, str):
        return 1
    return sum(max(1, math.ceil(len(line) / max(width - 1, 1))) for line in value.split("\n"))


def _width(title: str, values: Sequence[Any]) -> float:
    """Wide enough for the longest text and the title's longest word; a title may break over lines."""
    texts = [value for value in values if isinstance(value, str)]
    longest = max((min(len(text), 200) for text in texts), default=0)
    word = max((len(word) for word in title.split()), default=0)
    return min(_MAX_WIDTH, max(9.0, word + 4.5, len(title) / 2.5 + 3.0, longest + 2.5))
