"""The page: one `report.html` that needs nothing but itself, from the file system or anywhere else.

In: a ReportInput. Out: one file. Styles and script stand beside this module and are put inside; a content
security policy allows exactly these two by their hashes and no connection at all. What models and articles
wrote is data only: escaped here, compressed in blocks that the script shows as text and never as markup.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from bench.errors import disk_errors
from bench.reports import ReportInput
from bench.reports.page.blocks import Blocks, page_blocks
from bench.reports.page.markup import escaped, facts, notes
from bench.reports.page.table import decision_table, head
from bench.store import write_whole

_FOLDER = Path(__file__).parent


def write_page(path: Path, data: ReportInput) -> None:
    """Write the page to `path`; StorageError where that is not possible."""
    content = page_html(data).encode("utf-8")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


def page_html(data: ReportInput) -> str:
    """The whole page, equal for equal input."""
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    body = (_FOLDER / "page.html").read_text(encoding="utf-8")
    blocks = page_blocks(data)
    run = escaped(data.manifest.run_id)
    parts = {
        "policy": policy(style, script),
        "run": run,
        "style": style,
        "facts": facts(data),
        "notes": notes(data, blocks.note),
        "headline": head(data),
        "decision": decision_table(data),
        "blocks": _data_blocks(blocks),
        "script": script,
    }
    # one pass over the template: what was put in is never looked at again
    pieces = body.split("%%")
    return "".join(parts[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def policy(style: str, script: str) -> str:
    """A content security policy that allows this style and this script, and no request."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"


def _data_blocks(blocks: Blocks) -> str:
    named = [("summary", blocks.summary), *((f"arm-{index}", b) for index, b in enumerate(blocks.arms))]
    return "\n".join(f'<script type="text/plain" id="{name}">{block}</script>' for name, block in named)
