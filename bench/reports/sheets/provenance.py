"""The sheet Provenance: what was measured with what, so that it can be measured again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openpyxl.styles import Alignment
from openpyxl.worksheet.worksheet import Worksheet

from bench.records import Manifest
from bench.reports import ReportInput
from bench.reports.columns import Column
from bench.reports.layout import heading, write_frame

TITLE = "Provenance"
ORDER = 100
_COLUMNS = {"what": Column("What", "@"), "value": Column("Value", "General")}


def write(sheet: Worksheet, data: ReportInput) -> None:
    """Write the manifest, one line per value."""
    import pandas as pd

    rows = list(_rows(data.manifest))
    frame = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
    row = heading(sheet, TITLE, ["Everything that identifies this run, from its manifest."])
    where = write_frame(sheet, frame, row, columns=_COLUMNS, widths={"what": 50.0, "value": 90.0})
    for number in range(where.header, where.last + 1):
        sheet.cell(number, 2).alignment = Alignment(horizontal="left", vertical="top", wrap_text=True)


def _rows(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    plain = manifest.model_dump(mode="json", exclude={"article_ids", "arms"})
    yield from _flat("", plain)
    yield "n_articles", len(manifest.article_ids)
    yield "n_arms", len(manifest.arms)
    for record in manifest.arms:
        yield from _flat(f"arm {record.arm}", record.model_dump(mode="json", exclude={"arm"}))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Nested values as lines with a dotted path; a list of plain values is one line."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _flat(f"{path}.{key}" if path else str(key), child)
    elif isinstance(value, list) and any(isinstance(child, (Mapping, list)) for child in value):
        for index, child in enumerate(value):
            yield from _flat(f"{path}[{index}]", child)
    elif isinstance(value, list):
        yield path, ", ".join(map(str, value))
    elif value is not None:
        yield path, value
