"""Heatmaps, arms across, one PNG for each figure worth seeing at a glance.

In: a ReportInput. Out: PNG files, the same bytes for the same input. The colours have the same limits
for all arms; an undefined cell is hatched, never coloured; the arms' own figures stand below, outside
the colour scale. It computes nothing: `bench.reports.measures` arranges what the tables hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.errors import disk_errors
from bench.records import Outcome
from bench.reports import ReportInput
from bench.reports.drawing import Picture, png
from bench.reports.labels import article_label, drawable
from bench.reports.measures import Scale, View, undefined_measures, views
from bench.reports.pareto import pareto_png
from bench.reports.reliability import reliability_png
from bench.reports.scale import arms_in_order, names_in_full
from bench.store import write_whole

_DOWN = "articles down, arms across; same colours for all arms"


def write_heatmaps(folder: Path, data: ReportInput) -> list[Path]:
    """Write one PNG for every heatmap that has a defined cell; `undefined_heatmaps` says which has none."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in heatmap_pngs(data):
        paths.append(folder / f"{name}.png")
        write_whole(paths[-1], content)
    return paths


def heatmap_pngs(data: ReportInput) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every picture that can be drawn."""
    for view in views(data):
        yield view.measure.name, png(cell_picture(view, data))
    pictures = {
        "failures": failures_picture(data),
        "agreement": agreement_picture(data),
        "confusion": confusion_picture(data),
    }
    for name, picture in pictures.items():
        if picture is not None:
            yield name, png(picture)
    for name, content in (("pareto", pareto_png(data)), ("calibration", reliability_png(data))):
        if content is not None:
            yield name, content


def undefined_heatmaps(data: ReportInput) -> list[str]:
    """One sentence for every heatmap of an article and an arm that is not drawn."""
    return [f"no heatmap {name}: this run has no value of it" for name in undefined_measures(data)]


def cell_picture(view: View, data: ReportInput) -> Picture:
    """A measure, articles down and arms across."""
    labels = {article.id: article_label(article) for article in data.articles}
    note = f"; {view.scale.note}" if view.scale.note else ""
    return Picture(
        title=view.measure.title,
        subtitle=f"run {data.manifest.run_id}; {_DOWN}{note}",
        unit=view.measure.unit,
        colours=view.measure.colours,
        scale=view.scale,
        digits=view.digits,
        grid=view.grid,
        rows=[labels.get(article) or drawable(article) for article in view.articles],
        arms=view.places,
        means=view.means,
    )


def failures_picture(data: ReportInput) -> Picture | None:
    """Outcomes down, arms across: per cent of an arm's answers; `valid` is left to its own heatmap."""
    table = data.table("failures")
    if table.empty or not {"arm", "outcome", "share"} <= set(table.columns):
        return None
    places = arms_in_order(data.manifest, map(str, table["arm"]))
    outcomes = [outcome.value for outcome in Outcome if outcome != Outcome.VALID]
    shares = table.drop_duplicates(["arm", "outcome"]).pivot(index="outcome", columns="arm", values="share")
    grid = 100 * shares.reindex(outcomes)[[place.arm for place in places]].to_numpy(dtype=float)
    if np.isnan(grid).all():
        return None
    return Picture(
        title="Answers that are not valid, by outcome",
        subtitle=f"run {data.manifest.run_id}; backend_error and context_overflow are failed measurements",
        unit="% of the arm's answers",
        colours="YlOrBr",  # nothing went wrong is white
        scale=Scale(0.0, max(float(np.nanmax(grid)), 1.0)),
        digits=1,
        grid=grid,
        rows=outcomes,
        arms=places,
        undefined="no answers at all",
    )


def agreement_picture(data: ReportInput) -> Picture | None:
    """Arms down and across: how often two arms' labels agree."""
    table = data.table("agreement")
    if table.empty or not {"arm_a", "arm_b", "agreement"} <= set(table.columns):
        return None
    places = arms_in_order(data.manifest, [*map(str, table["arm_a"]), *map(str, table["arm_b"])])
    at = {place.arm: index for index, place in enumerate(places)}
    grid = np.full((len(places), len(places)), np.nan)
    for a, b, value in zip(table["arm_a"], table["arm_b"], table["agreement"], strict=True):
        grid[at[str(a)], at[str(b)]] = grid[at[str(b)], at[str(a)]] = value
    if np.isnan(grid).all():
        return None
    return Picture(
        title="Agreement of labels between arms",
        subtitle=f"run {data.manifest.run_id}; two answers to one article, over articles; on the diagonal "
        "two answers of one arm; agreement is not correctness",
        unit="probability of the same label",
        colours="cividis",
        scale=Scale(0.0, 1.0),
        digits=2,
        grid=grid,
        rows=[drawable(name) for name in names_in_full(places)],
        arms=places,
        undefined="not compared",
    )


def confusion_picture(data: ReportInput) -> Picture | None:
    """Right label and answered label down, arms across: the share of the label's items answered so."""
    table = data.table("confusion")
    if table.empty or not table["share"].notna().any():
        return None
    places = arms_in_order(data.manifest, map(str, table["arm"].unique()))
    rows = list(dict.fromkeys(zip(map(str, table["label"]), map(str, table["answered"]), strict=True)))
    at = {(str(r["arm"]), str(r["label"]), str(r["answered"])): r["share"] for r in table.to_dict("records")}
    grid = np.array([[100 * at[place.arm, *row] for place in places] for row in rows], dtype=float)
    return Picture(
        title="What was answered where which label was right",
        subtitle=f"run {data.manifest.run_id}; a block is one right label and adds up to 100 %",
        unit="% of the right label's items",
        colours="cividis",
        scale=Scale(0.0, 100.0),
        digits=0,
        grid=grid,
        rows=[drawable(f"{label} answered {answered}") for label, answered in rows],
        breaks=[place for place in range(1, len(rows)) if rows[place][0] != rows[place - 1][0]],
        arms=places,
        undefined="no item with this label was answered",
    )
