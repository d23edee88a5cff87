"""The workbook: every sheet of `bench/reports/sheets/` in order, and the same bytes every time.

In: a ReportInput. Out: one `.xlsx` file. What a sheet shows is in its own file; this one only opens
the workbook, calls them in the order of their ORDER, and takes the clock out of the file.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from openpyxl import Workbook

from bench import plugins
from bench.errors import disk_errors
from bench.reports import ReportInput
from bench.reports.layout import print_setup
from bench.store import write_whole

ROOM = "reports.sheets"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can name
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")


def write_workbook(path: Path, data: ReportInput) -> None:
    """Write the workbook to `path`; StorageError where that is not possible."""
    content = workbook_bytes(data)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


def workbook_bytes(data: ReportInput) -> bytes:
    """The workbook as bytes, equal for equal input."""
    workbook = Workbook()
    if workbook.active is not None:
        workbook.remove(workbook.active)
    modules = [plugins.load(ROOM, name) for name in plugins.names(ROOM, ".py")]
    for module in sorted(modules, key=lambda module: (module.ORDER, module.TITLE)):
        if hasattr(module, "applies") and not module.applies(data):
            continue
        sheet = workbook.create_sheet(module.TITLE)
        print_setup(sheet)
        module.write(sheet, data)
    made = data.manifest.started_at.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    workbook.properties.creator = "bench"
    workbook.properties.title = data.manifest.run_id
    workbook.properties.created = workbook.properties.modified = made
    buffer = io.BytesIO()
    workbook.save(buffer)
    return _without_clock(buffer.getvalue(), made)


def _without_clock(content: bytes, made: datetime) -> bytes:
    """The same workbook with the run's date wherever openpyxl and zip wrote the present one."""
    date = f"{made.isoformat()}Z".encode("ascii")
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            member = old.read(name)
            if name == "docProps/core.xml":
                member = _MODIFIED.sub(rb"\g<1>" + date + rb"\g<2>", member)
            new.writestr(zipfile.ZipInfo(name, _ZIP_DATE), member, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
