"""Heatmaps, articles down and arms across, one PNG for each figure worth seeing at a glance.

In: a ReportInput. Out: PNG files, the same bytes for the same input. The colours have the same limits
for all arms; an undefined cell is hatched, never coloured; the arms' own figures stand below, outside
the colour scale. It computes nothing: cells come from `cells`, the bottom row from `arms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.errors import disk_errors
from bench.reports import ReportInput
from bench.reports.drawing import Picture, png
from bench.reports.labels import article_label, drawable
from bench.reports.scale import arms_in_order, score_limits
from bench.store import write_whole

if TYPE_CHECKING:
    import pandas as pd

Grid = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Heatmap:
    """One picture: which column it shows, and how."""

    column: str
    """The column of `cells`, and the file's name."""
    arm_column: str
    """The column of `arms` with the arm's own figure."""
    title: str
    unit: str
    """What the colour bar says."""
    colours: str
    """A matplotlib colour map that colour-blind readers can read."""
    low: float | None = None
    high: float | None = None
    """Fixed limits; None takes 0 and the largest value of all arms."""
    digits: int = 2


HEATMAPS = (
    Heatmap("valid_rate", "valid_rate", "Valid answers", "valid rate (0 to 1)", "cividis", 0.0, 1.0),
    Heatmap("score_mean", "score_mean", "Mean score", "mean score of valid answers", "RdBu", -1.0, 1.0),
    Heatmap(
        "score_variance", "score_variance_within", "Score variance between repeats", "variance", "viridis",
        digits=3,
    ),
    Heatmap(
        "confidence_mean", "confidence_mean", "Mean confidence", "stated confidence (0 to 1)", "cividis",
        0.0, 1.0,
    ),
    Heatmap("duration_mean_s", "duration_mean_s", "Time per answer", "seconds", "viridis"),
)  # fmt: skip


def write_heatmaps(folder: Path, data: ReportInput) -> list[Path]:
    """Write one PNG for every heatmap that has a defined cell; `undefined_heatmaps` says which has none."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for heatmap in HEATMAPS:
        if _is_defined(heatmap, data):
            path = folder / f"{heatmap.column}.png"
            write_whole(path, heatmap_png(heatmap, data))
            paths.append(path)
    return paths


def undefined_heatmaps(data: ReportInput) -> list[str]:
    """One sentence for every heatmap that is not drawn."""
    return [
        f"no heatmap {heatmap.column}: this run has no value of it"
        for heatmap in HEATMAPS
        if not _is_defined(heatmap, data)
    ]


def heatmap_png(heatmap: Heatmap, data: ReportInput) -> bytes:
    """One heatmap as the bytes of a PNG file."""
    return png(_picture(heatmap, data))


def _picture(heatmap: Heatmap, data: ReportInput) -> Picture:
    cells = data.table("cells")
    places = arms_in_order(data.manifest, map(str, cells["arm"]))
    arms = [place.arm for place in places]
    present = set(map(str, cells["article_id"]))
    named = {article.id: article_label(article) for article in data.articles if article.id in present}
    named |= {article: drawable(article) for article in sorted(present - set(named))}
    grid = _grid(heatmap, cells, list(named), arms)
    return Picture(
        title=heatmap.title,
        subtitle=f"run {data.manifest.run_id}; articles down, arms across; same colours for all arms",
        unit=heatmap.unit,
        colours=heatmap.colours,
        limits=_limits(heatmap, data, grid),
        digits=heatmap.digits,
        grid=grid,
        articles=list(named.values()),
        arms=places,
        means=_means(heatmap, data, arms),
    )


def _is_defined(heatmap: Heatmap, data: ReportInput) -> bool:
    cells = data.table("cells")
    return {"arm", "article_id", heatmap.column} <= set(cells.columns) and bool(
        cells[heatmap.column].notna().any()
    )


def _grid(heatmap: Heatmap, cells: pd.DataFrame, articles: Sequence[str], arms: Sequence[str]) -> Grid:
    """The values, articles down and arms across; NaN where a cell is undefined or absent."""
    rows = {article: index for index, article in enumerate(articles)}
    columns = {arm: index for index, arm in enumerate(arms)}
    grid = np.full((len(rows), len(columns)), np.nan)
    for arm, article, value in zip(cells["arm"], cells["article_id"], cells[heatmap.column], strict=True):
        grid[rows[str(article)], columns[str(arm)]] = value
    return grid


def _means(heatmap: Heatmap, data: ReportInput, arms: Sequence[str]) -> list[float]:
    """The arms' own figures, as the analysis has them."""
    table = data.table("arms")
    if not {"arm", heatmap.arm_column} <= set(table.columns):
        return [float("nan")] * len(arms)
    known = dict(zip(map(str, table["arm"]), table[heatmap.arm_column].astype(float), strict=True))
    return [known.get(arm, float("nan")) for arm in arms]


def _limits(heatmap: Heatmap, data: ReportInput, grid: Grid) -> tuple[float, float]:
    if heatmap.column == "score_mean":
        return score_limits(data.manifest)
    if heatmap.low is not None and heatmap.high is not None:
        return heatmap.low, heatmap.high
    return 0.0, float(np.nanmax(grid)) or 1.0
