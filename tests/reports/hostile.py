"""Texts that break out of files that do not look, and a run that is full of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from bench.records import Article, Entity
from bench.reports import ReportInput
from tests.reports.synthetic import report_input

ALERT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE = (
    "=1+1", "=HYPERLINK(\"http://x\")", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "a\x00b\x07\x1b[2J",
    "\x9b31m", chr(0xD800), "\u202eabc", "\ufffe", "x" * 40_000, ALERT, "</script><script>alert(3)</script>",
    "<!--<script>", "]]>", "[/b]", "[red]", "&lt;b&gt;", "\" onmouseover=\"alert(4)", "javascript:alert(5)",
    "%%script%%", "_x0041_", "#N/A", "TRUE", "\u2028\u2029", "${alert(6)}", "日本 \U0001f600",
)  # fmt: skip
wild = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(), max_size=60),
    st.tuples(st.sampled_from("=+-@\t\r\n <[&"), st.text(st.characters(), max_size=30)).map("".join),
)
"""Any text at all, with a liking for the dangerous."""


def answer(arm: str, article: str, iteration: int, text: str, *, valid: bool) -> dict[str, Any]:
    """A stored sample whose every text is `text`."""
    parsed = {"reasoning": text, "sentiment": 0.25, "confidence": 0.5} if valid else None
    return {
        "arm": arm,
        "article_id": article,
        "iteration": iteration,
        "completion": {"text": text, "duration_s": 1.5, "batch_size": 1, "error": None},
        "verdict": {
            "outcome": "valid" if valid else "not_json",
            "answer": parsed,
            "recoverable": False,
            "errors": [] if valid else [text],
        },
    }


def hostile_run(texts: Sequence[str] = HOSTILE, n_articles: int = 4) -> ReportInput:
    """A run of four arms in which articles, answers and reasons are the given texts."""
    small = report_input(1, n_articles)
    articles = tuple(
        Article.model_validate(
            article.model_dump()
            | {
                "title": texts[i % len(texts)],
                "text": texts[-1 - i % len(texts)],
                "entity": Entity(name=texts[0]),
            }
        )
        for i, article in enumerate(small.articles)
    )
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for record in small.manifest.arms:
        rows[record.arm] = [
            answer(record.arm, articles[i % n_articles].id, i // n_articles, text, valid=i % 3 == 0)
            for i, text in enumerate(texts)
        ]
    every = [row for of_arm in rows.values() for row in of_arm]
    return dataclasses.replace(
        small,
        articles=articles,
        invalid=[row for row in every if row["verdict"]["outcome"] != "valid"],
        valid=[row for row in every if row["verdict"]["outcome"] == "valid"],
        samples=rows.__getitem__,
        baselines={a.arm: small.manifest.arms[0].arm for a in small.manifest.arms[1:]},
    )
