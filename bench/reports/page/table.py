"""The page's decision table: real markup, readable without the script.

In: a ReportInput. Out: one HTML table, a row per arm. Verdicts are signs and words; colour only helps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bench.analysis.quality_sentences import quality_sentences
from bench.analysis.slice_sentences import slice_sentences
from bench.reports import ReportInput
from bench.reports.decision import (
    OWN,
    VERDICTS,
    Decision,
    Shown,
    decisions,
    defined,
    in_words,
    question_titles,
)
from bench.reports.headline import about, headline
from bench.reports.page.markup import element, enclosed, escaped

_BREAKABLE = re.compile(r"[^/@\-]+[/@\-]*|[/@\-]+")
COSTS = (
    ("seconds_per_valid", "Seconds per valid answer", 1.0, ".2f"),
    ("file_bytes", "Size (MB)", 1e6, ".0f"),
    ("peak_memory_bytes", "Memory (MB)", 1e6, ".0f"),
)


def decision_table(data: ReportInput) -> str:
    """The table with its caption."""
    rows = decisions(data)
    judged = data.gate is not None
    asked = data.gate.asked if data.gate else {}
    costs = [cost for cost in COSTS if any(defined(row.figures.get(cost[0])) is not None for row in rows)]
    heads = [
        "Arm",
        *(["Verdict"] if judged else []),
        *question_titles(data).values(),
        *(cost[1] for cost in costs),
    ]
    titles = {title: asked[name] for name, title in question_titles(data).items() if name in asked}
    head = "".join(element("th", text, scope="col", title=titles.get(text)) for text in heads)
    order = {record.arm: index for index, record in enumerate(data.manifest.arms)}
    body = "".join(_row(row, order.get(row.arm), question_titles(data), costs, judged=judged) for row in rows)
    own = f" {question_titles(data)[OWN]}: the arm's own, 95 %." if OWN in question_titles(data) else ""
    caption = "One row per arm. " + (
        f"Bounds are one-sided, 95 %, over articles.{own}"
        if judged
        else "Brackets, over articles: 90 % interval of the mean score (arm minus baseline), one-sided "
        "95 % bounds of drift and labels (disagreement beyond an arm's own), 95 % intervals else. "
        "Variance is a ratio to the baseline's."
    )
    return enclosed(
        "table",
        element("caption", caption) + enclosed("thead", enclosed("tr", head)) + enclosed("tbody", body),
        class_="decision",
    )


def head(data: ReportInput) -> str:
    """Which arms may be shipped, how sure that is and what they cost; nothing where none was judged."""
    if data.gate is None:
        return ""
    found = headline(data.gate)
    items = [
        enclosed("li", enclosed("strong", _breakable(arm.arm)) + element("small", about(arm)))
        for arm in found.passing
    ]
    others = [
        enclosed("p", _word(verdict) + ", ".join(_breakable(arm) for arm in arms))
        for verdict, arms in found.others
    ]
    right = quality_sentences(data.table("quality"), data.table("quality_pairs"), data.manifest.specs)
    right += slice_sentences(data.table("slices"))
    title = element("h2", "Which arm may I ship?", id="answer-title")
    summary = element("p", found.summary, class_="summary")
    listed = enclosed("ol", "".join(items)) if items else ""
    inside = title + summary + listed + "".join(others) + "".join(element("p", line) for line in right)
    return enclosed("section", inside, class_="answer-box", aria_labelledby="answer-title")


def _row(
    row: Decision,
    place: int | None,
    titles: Mapping[str, str],
    costs: Sequence[tuple[str, str, float, str]],
    *,
    judged: bool,
) -> str:
    cells = [enclosed("th", _arm_cell(row), scope="row")]
    if judged:
        cells.append(enclosed("td", _verdict_cell(row), data_label="Verdict"))
    for name, title in titles.items():
        shown = row.questions.get(name)
        if row.verdict == "baseline" and shown is not None and shown.verdict == "not_testable":
            shown = None
        cells.append(enclosed("td", _question(shown), data_label=title))
    for column, title, unit, form in costs:
        value = defined(row.figures.get(column))
        text = "undefined" if value is None else format(value / unit, form)
        cells.append(enclosed("td", element("span", text), data_label=title, class_="number"))
    return enclosed("tr", "".join(cells), data_arm=place, class_=f"v-{row.verdict}" if row.verdict else None)


def _arm_cell(row: Decision) -> str:
    against = element("small", f"against {row.baseline}") if row.baseline else ""
    said = "" if row.verdict else "".join(element("small", reason) for reason in row.reasons)
    return enclosed("span", _breakable(row.arm)) + against + said


def _breakable(arm: str) -> str:
    """An arm's name as markup in which a line may break after its separators."""
    return "<wbr>".join(escaped(part) for part in _BREAKABLE.findall(arm))


def _verdict_cell(row: Decision) -> str:
    rank = element("small", f"place {row.rank} among those that pass") if row.rank else ""
    # what a question says stands in its own cell
    own = [reason for reason in row.reasons if reason.split(":")[0] not in row.questions]
    reasons = "".join(element("small", reason) for reason in own)
    word = _word(row.verdict) if row.verdict else element("span", "not judged")
    return word + rank + reasons


def _word(verdict: str) -> str:
    return element("strong", VERDICTS.get(verdict, verdict), class_=f"word w-{verdict}")


def _question(shown: Shown | None) -> str:
    if shown is None:
        return element("span", "–")
    word = _word(shown.verdict) if shown.verdict else ""
    reason = element("small", shown.reason) if shown.reason else ""
    if reason and shown.verdict == "pass":  # the numbers say it; why is there for who asks
        reason = enclosed("details", element("summary", "why") + reason)
    interval, _, margin = in_words(shown).partition("; ")
    allowed = element("span", margin, class_="margin") if margin else ""
    return word + element("span", interval) + allowed + reason
