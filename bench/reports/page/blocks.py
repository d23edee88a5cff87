"""The data a page carries: the figures of every cell, and the answers, compressed arm by arm.

In: a ReportInput. Out: base64 of zlib of JSON; the browser opens a block when it is needed. Text in it has
its control characters written out; the script shows it as text only.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.records import Article, Outcome
from bench.reports import ReportInput
from bench.reports.answers import LIMIT, Row, by_article, telling
from bench.reports.labels import article_name
from bench.reports.measures import View, views
from bench.reports.text import shortened, visible

_STOPS = 9
_TITLE_CHARS = 160
_OUTCOMES = [outcome.value for outcome in Outcome]


class Blocks(NamedTuple):
    """What is put inside the page."""

    summary: str
    """Arms, articles, measures and counts of outcomes."""
    arms: list[str]
    """The answers of each arm, in manifest order; empty where there are none."""
    note: str
    """Which answers are there; empty when all are."""


def page_blocks(data: ReportInput) -> Blocks:
    """Everything the page's script shows."""
    order = {article.id: index for index, article in enumerate(data.articles)}
    n_samples = _n_samples(data)
    whole = n_samples <= LIMIT
    score = (data.manifest.task.get("answer") or {}).get("score")
    confidence = (data.manifest.task.get("answer") or {}).get("confidence")
    counts: list[tuple[int, int, int, int]] = []
    blocks = []
    for place, record in enumerate(data.manifest.arms):
        if data.samples is None:
            continue
        cells = by_article(data.samples(record.arm), order)
        counts += _outcome_counts(place, cells, order)
        kept = {
            order[article]: [
                _answer(row, score, confidence) for row in (rows if whole else telling(rows, score))
            ]
            for article, rows in cells.items()
        }
        blocks.append(packed(kept))
    summary = {
        "arms": _arms(data),
        "articles": [_article(article) for article in data.articles],
        "measures": [_measure(view, data, order) for view in views(data)],
        "outcomes": _OUTCOMES,
        "counts": counts,
        "has_answers": bool(blocks),
    }
    return Blocks(packed(summary), blocks, _note(data, n_samples, whole))


def packed(value: object) -> str:
    """JSON, compressed, in letters that need no escaping."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 6)).decode("ascii")


def _n_samples(data: ReportInput) -> int:
    arms = data.table("arms")
    return int(arms["n_samples"].sum()) if "n_samples" in arms.columns else 0


def _note(data: ReportInput, n_samples: int, whole: bool) -> str:
    if data.samples is None:
        return "This page was made from tables only: it has no answers to show."
    if whole:
        return ""
    return (
        f"The run has {n_samples:,} answers, too many for one page. Kept are all failures and, of each "
        "article and arm, the valid answer nearest the median score, the lowest and the highest. "
        "All answers are in the run's folder."
    ).replace(",", " ", 1 if n_samples < 1_000_000 else 2)


def _arms(data: ReportInput) -> list[dict[str, Any]]:
    order = {record.arm: index for index, record in enumerate(data.manifest.arms)}
    made = []
    for record in data.manifest.arms:
        spec = record.spec
        style = "" if spec.prompt_style == "zero_shot" else f" {spec.prompt_style}"
        output = "" if spec.output == "free" else f" {spec.output}"
        made.append(
            {
                "arm": record.arm,
                "family": spec.family,
                "variant": spec.variant,
                "quant": spec.quant,
                "name": spec.short_name,
                "group": f"{spec.family} {spec.variant} {spec.backend}{style}{output}",
                "baseline": order.get(data.baselines.get(record.arm, "")),
            }
        )
    return made


def _article(article: Article) -> dict[str, Any]:
    entity = article.entity
    return {
        "id": article.id,
        "title": visible(shortened(article_name(article), _TITLE_CHARS)),
        "text": visible(article.text) or "The run has no text of this article.",
        "url": visible(article.url or ""),
        "about": visible(entity.name) if entity else None,
        "label": visible(article.label) if article.label else None,
        "reference": _number(article.reference_score),
    }


def _measure(view: View, data: ReportInput, order: Mapping[str, int]) -> dict[str, Any]:
    places = {record.arm: index for index, record in enumerate(data.manifest.arms)}
    columns = [index for index, place in enumerate(view.places) if place.arm in places]
    rows = [index for index, article in enumerate(view.articles) if article in order]
    measure = view.measure
    return {
        "name": measure.name,
        "title": measure.title,
        "unit": measure.unit,
        "digits": view.digits,
        "scale": [view.scale.low, view.scale.high, view.scale.log],
        "note": view.scale.note,
        "colours": _colours(measure.colours),
        "arms": [places[view.places[index].arm] for index in columns],
        "means": [_number(view.means[index]) for index in columns],
        "rows": {
            order[view.articles[row]]: [_number(float(view.grid[row, column])) for column in columns]
            for row in rows
        },
    }


def _colours(name: str) -> list[list[int]]:
    """The pictures' own colours, at equal steps."""
    import matplotlib as mpl

    stops = mpl.colormaps[name]([index / (_STOPS - 1) for index in range(_STOPS)])
    return [[round(255 * part) for part in stop[:3]] for stop in stops.tolist()]


def _outcome_counts(
    place: int, cells: Mapping[str, Sequence[Row]], order: Mapping[str, int]
) -> list[tuple[int, int, int, int]]:
    """(arm, article, outcome, number) of everything that occurred."""
    found = []
    for article, rows in cells.items():
        tally = Counter(row["verdict"]["outcome"] for row in rows)
        found += [(place, order[article], _OUTCOMES.index(name), tally[name]) for name in sorted(tally)]
    return found


def _answer(row: Row, score: str | None, confidence: str | None) -> list[Any]:
    """iteration, outcome, score, confidence, seconds, recoverable, text, what is wrong, a remark."""
    completion, verdict = row["completion"], row["verdict"]
    answer = verdict.get("answer") or {}
    text = completion.get("text") or ""
    errors = [*verdict.get("errors", ()), *([completion["error"]] if completion.get("error") else [])]
    remark = ""
    if not text and answer:
        text = json.dumps(answer, ensure_ascii=False, indent=1)
        remark = "The run kept no raw text; this is the parsed answer."
    elif not text:
        remark = "There is no text."
    return [
        row["iteration"],
        _OUTCOMES.index(verdict["outcome"]),
        _number(answer.get(score)),
        _number(answer.get(confidence)),
        _number(completion.get("duration_s")),
        bool(verdict.get("recoverable")),
        visible(text),
        [visible(str(error)) for error in errors],
        remark,
    ]


def _number(value: Any) -> float | None:
    """A number with the digits that a page can show; None where it is undefined."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
