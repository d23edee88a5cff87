"""The page's decision table: real markup, readable without the script.

In: a ReportInput. Out: one HTML table, a row per arm. Verdicts are signs and words; colour only helps.
"""

from __future__ import annotations

from bench.reports import ReportInput
from bench.reports.decision import QUESTIONS, VERDICTS, Decision, Shown, decisions, defined, in_words
from bench.reports.page.markup import element, enclosed

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
    heads = ["Arm", *(["Verdict"] if judged else []), *(QUESTIONS.values()), *(cost[1] for cost in costs)]
    titles = {QUESTIONS[name]: text for name, text in asked.items() if name in QUESTIONS}
    head = "".join(element("th", text, scope="col", title=titles.get(text)) for text in heads)
    order = {record.arm: index for index, record in enumerate(data.manifest.arms)}
    body = "".join(_row(row, order.get(row.arm), judged, costs) for row in rows)
    caption = "One row per arm. " + (
        "Bounds are one-sided, 95 %, over articles."
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


def _row(row: Decision, place: int | None, judged: bool, costs: list[tuple[str, str, float, str]]) -> str:
    cells = [enclosed("th", _arm_cell(row), scope="row")]
    if judged:
        cells.append(enclosed("td", _verdict_cell(row), data_label="Verdict"))
    for name, title in QUESTIONS.items():
        shown = row.questions.get(name)
        cells.append(enclosed("td", _question(shown), data_label=title))
    for column, title, unit, form in costs:
        value = defined(row.figures.get(column))
        text = "undefined" if value is None else format(value / unit, form)
        cells.append(enclosed("td", element("span", text), data_label=title, class_="number"))
    return enclosed("tr", "".join(cells), data_arm=place, class_=f"v-{row.verdict}" if row.verdict else None)


def _arm_cell(row: Decision) -> str:
    against = element("small", f"against {row.baseline}") if row.baseline else ""
    said = "" if row.verdict else "".join(element("small", reason) for reason in row.reasons)
    return element("span", row.arm) + against + said


def _verdict_cell(row: Decision) -> str:
    rank = element("small", f"place {row.rank} among those that pass") if row.rank else ""
    reasons = "".join(element("small", reason) for reason in row.reasons)
    return _word(row.verdict) + rank + reasons


def _word(verdict: str) -> str:
    return element("strong", VERDICTS.get(verdict, verdict), class_=f"word w-{verdict}")


def _question(shown: Shown | None) -> str:
    if shown is None:
        return element("span", "not asked")
    word = _word(shown.verdict) if shown.verdict else ""
    reason = element("small", shown.reason) if shown.reason and shown.verdict != "pass" else ""
    return word + element("span", in_words(shown)) + reason
