"""Text that a model or an article wrote, made inert for spreadsheets.

In: any text. Out: text that a spreadsheet shows as it stands: never a formula, a link or an error
value, nothing that breaks the file, and a mark where something was cut. Terminals are the business
of `bench.safe_text`.
"""

from __future__ import annotations

import re

from bench.safe_text import inert

CELL_CHARS = 32_767
"""Most characters in a workbook's cell, counted as UTF-16 does; what is longer is cut silently."""

_STARTS_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NONCHARACTER = re.compile("[\ufffe\uffff]")  # not allowed in XML, and in no class of hidden characters
_OOXML_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


def visible(text: str) -> str:
    """`text` with control characters, surrogates and direction marks written out as escapes."""
    return _NONCHARACTER.sub(lambda match: f"\\u{ord(match[0]):04x}", inert(text))


def starts_formula(text: str) -> bool:
    """Whether some spreadsheet would read this text as a formula, or trim it to one."""
    return _STARTS_FORMULA.match(text) is not None


def csv_text(text: str) -> str:
    """`text` for a CSV cell: a leading apostrophe keeps a formula text."""
    shown = visible(text)
    return f"'{shown}" if starts_formula(shown) else shown


def workbook_text(text: str) -> str:
    """`text` for a workbook's cell, at most `CELL_CHARS` long, with a mark where it was cut.

    The cell's type must be set to text besides. A workbook reads `_x0041_` as an escape of its own;
    the underscore is written so that these seven characters are shown.
    """
    return _cut(_OOXML_ESCAPE.sub("_x005F_", visible(text)), len(text))


def shortened(text: str, length: int) -> str:
    """`text` on one line, in at most `length` characters, with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: max(length - 1, 0)].rstrip() + "…"


def _cut(text: str, n_chars: int) -> str:
    units = text.encode("utf-16-le")
    if len(units) <= 2 * CELL_CHARS:
        return text
    mark = f" … [cut here; {n_chars} characters in all]"
    kept = units[: 2 * (CELL_CHARS - len(mark))].decode("utf-16-le", "ignore")
    return kept + mark
