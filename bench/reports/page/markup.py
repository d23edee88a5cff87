"""Small pieces of markup, and the one place where text becomes HTML.

In: text of any origin. Out: markup in which that text is inert: escaped, and with control characters,
direction marks and surrogates written out.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from bench.reports import ReportInput
from bench.reports.decision import NOT_READ, looked
from bench.reports.scale import has_score, score_limits
from bench.reports.text import visible


def escaped(text: object) -> str:
    """`text` as HTML text or attribute value."""
    return html.escape(visible(str(text)), quote=True)


def element(tag: str, text: object = "", **attributes: object) -> str:
    """One element with escaped text; `class_` is `class`, an underscore in a name is a hyphen."""
    return enclosed(tag, escaped(text), **attributes)


def enclosed(tag: str, markup: str, **attributes: object) -> str:
    """One element around markup that is already escaped; an attribute that is None is left out."""
    shown = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{shown}>{markup}</{tag}>"


def facts(data: ReportInput) -> str:
    """What was measured, in a line."""
    manifest = data.manifest
    low, high = score_limits(manifest)
    count = (
        f"{len(manifest.article_ids)} articles, {len(manifest.arms)} arms, {manifest.iterations} answers each"
    )
    task = f"task {manifest.task.get('name', 'unknown')}"
    task += f", score {low:g} to {high:g}" if has_score(manifest) else ""
    return element("p", f"{count}; {task}; {manifest.started_at:%Y-%m-%d}; {manifest.status}.")


def notes(data: ReportInput, about_answers: str) -> str:
    """What a reader must know before the numbers."""
    said = []
    if data.gate is None:
        said.append(NOT_READ)
    labelled = any(article.label or article.reference_score is not None for article in data.articles)
    if data.gate is None and not labelled:
        said.append("No article has a label: this is agreement with the baseline, not correctness.")
    if data.gate is not None:
        said += data.gate.notes
        said += looked(data.gate)
    said += [about_answers] if about_answers else []
    return listed(said)


def listed(lines: Sequence[str]) -> str:
    """A list of lines; nothing where there are none."""
    return enclosed("ul", "".join(element("li", line) for line in lines), class_="notes") if lines else ""
