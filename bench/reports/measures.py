"""What a heatmap may show: one figure for every article and arm, with the limits of its colours.

In: a ReportInput. Out: Views, ready for a picture or the page's table: rows, columns, values, limits. The
limits are the same for all arms and families. A value is only arranged here, never computed; a scale that
one slow or erratic arm would flatten becomes logarithmic, and its note says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.reports import ReportInput
from bench.reports.scale import ArmPlace, arms_in_order, score_limits

if TYPE_CHECKING:
    import pandas as pd

Grid = npt.NDArray[np.float64]

FLATTENED = 5.0
"""A largest value so many times the median flattens a linear scale."""
MOST_DIGITS = 5
"""Decimals beyond which a cell would hold little else."""
DECADES = 1e3
"""A logarithmic scale spans at most this ratio."""


@dataclass(frozen=True)
class Measure:
    """One figure: where it stands in the tables, and how it is shown."""

    name: str
    """The column of `cells` (or `drift`), and the picture's file name."""
    arm_column: str
    """The column of `arms` (or, for drift, `pairs`) with the arm's own figure."""
    title: str
    unit: str
    """What the colour scale says."""
    colours: str
    """A matplotlib colour map that colour-blind readers can read."""
    limits: Literal["share", "score", "positive", "centred"]
    """0 to 1; the task's range; 0 to the largest; symmetric about 0."""
    digits: int = 2


CELL_MEASURES = (
    Measure("valid_rate", "valid_rate", "Valid answers", "valid rate (0 to 1)", "cividis", "share"),
    Measure("score_mean", "score_mean", "Mean score", "mean score of valid answers", "RdBu", "score"),
    Measure(
        "score_variance", "score_variance_within", "Score variance between repeats",
        "variance of the score", "viridis", "positive", digits=3,
    ),
    Measure("confidence_mean", "confidence_mean", "Mean confidence", "stated confidence (0 to 1)",
            "cividis", "share"),
    Measure("duration_mean_s", "duration_mean_s", "Time per answer", "seconds", "viridis", "positive"),
    Measure("kl_mean", "kl_mean", "Divergence from the baseline's token probabilities",
            "mean KL divergence (nats per token)", "viridis", "positive", digits=3),
)  # fmt: skip
DRIFT = Measure(
    "drift", "mean_difference", "Drift: mean score minus the baseline's", "score minus baseline",
    "PuOr", "centred",
)  # fmt: skip
MEASURES = (*CELL_MEASURES, DRIFT)


class Scale(NamedTuple):
    """Which values the ends of the colours stand for."""

    low: float
    high: float
    log: bool = False
    note: str = ""
    """What a reader must know of it; empty for a plain scale."""


class View(NamedTuple):
    """One measure of one run."""

    measure: Measure
    articles: list[str]
    """Ids of the rows."""
    places: list[ArmPlace]
    """The columns."""
    grid: Grid
    """The values, articles down and arms across; NaN where undefined."""
    means: list[float]
    """The arms' own figures; NaN where undefined."""
    scale: Scale

    @property
    def digits(self) -> int:
        """Decimals to show: the measure's own, or as many as its largest value needs for two figures."""
        if self.measure.limits != "positive" or not 0 < self.scale.high < 1:
            return self.measure.digits
        return min(MOST_DIGITS, max(self.measure.digits, 1 - math.floor(math.log10(self.scale.high))))


def views(data: ReportInput) -> Iterator[View]:
    """Every measure that has a defined value, in the order of MEASURES."""
    for measure in MEASURES:
        view = make_view(measure, data)
        if view is not None:
            yield view


def undefined_measures(data: ReportInput) -> list[str]:
    """The names of the measures without a single value."""
    return [measure.name for measure in MEASURES if make_view(measure, data) is None]


def make_view(measure: Measure, data: ReportInput) -> View | None:
    """One measure; None where it has no value."""
    values = _drift_values(data) if measure is DRIFT else _cell_values(measure, data)
    if values is None or not values["value"].notna().any():
        return None
    places = arms_in_order(data.manifest, map(str, values["arm"].unique()))
    present = set(map(str, values["article_id"].unique()))
    articles = [article for article in data.manifest.article_ids if article in present]
    articles += sorted(present - set(articles))
    grid = _grid(values, articles, [place.arm for place in places])
    means = _arm_figures(measure, data, places)
    return View(measure, articles, places, grid, means, scale_of(measure, data, grid))


def scale_of(measure: Measure, data: ReportInput, grid: Grid) -> Scale:
    """The limits of a measure's colours: fixed where the measure has limits, else robust."""
    if measure.limits == "score":
        return Scale(*score_limits(data.manifest))
    if measure.limits == "share":
        return Scale(0.0, 1.0)
    return _centred(grid) if measure.limits == "centred" else _positive(grid)


def _positive(grid: Grid) -> Scale:
    values = grid[grid > 0]
    if not len(values):
        return Scale(0.0, 1.0)
    high = float(values.max())
    if high <= FLATTENED * float(np.median(values)):
        return Scale(0.0, high)
    low = max(float(values.min()), high / DECADES)
    below = " or less, 0 included" if bool((grid[~np.isnan(grid)] < low).any()) else ""
    return Scale(low, high, log=True, note=f"logarithmic colours: the lowest is {low:.2g}{below}")


def _centred(grid: Grid) -> Scale:
    sizes = np.abs(grid[~np.isnan(grid)])
    largest = float(sizes.max()) or 1.0
    limit = float(np.quantile(sizes, 0.98)) or largest
    if largest <= FLATTENED / 2 * limit:
        return Scale(-largest, largest)
    return Scale(-limit, limit, note=f"colours end at ±{limit:.2g}; the largest drift is {largest:.2g}")


def _cell_values(measure: Measure, data: ReportInput) -> pd.DataFrame | None:
    cells = data.table("cells")
    if not {"arm", "article_id", measure.name} <= set(cells.columns):
        return None
    return cells[["arm", "article_id", measure.name]].rename(columns={measure.name: "value"})


def _drift_values(data: ReportInput) -> pd.DataFrame | None:
    """Each arm's difference to its baseline, whichever way round the pair was configured."""
    import pandas as pd

    drift = data.table("drift")
    if not {"arm_a", "arm_b", "article_id", "difference"} <= set(drift.columns) or not data.baselines:
        return None
    parts = []
    for arm, other, sign in (("arm_a", "arm_b", 1.0), ("arm_b", "arm_a", -1.0)):
        chosen = drift[drift[arm].map(data.baselines) == drift[other]]
        values = chosen[["article_id"]].assign(arm=chosen[arm], value=sign * chosen["difference"])
        parts.append(values)
    return pd.concat(parts)


def _grid(values: pd.DataFrame, articles: Sequence[str], arms: Sequence[str]) -> Grid:
    """The values, articles down and arms across; NaN where a cell is undefined or absent."""
    rows = {article: index for index, article in enumerate(articles)}
    columns = {arm: index for index, arm in enumerate(arms)}
    grid = np.full((len(rows), len(columns)), np.nan)
    row = values["article_id"].astype(str).map(rows).to_numpy(dtype=np.int64)
    column = values["arm"].astype(str).map(columns).to_numpy(dtype=np.int64)
    grid[row, column] = values["value"].to_numpy(dtype=float)
    return grid


def _arm_figures(measure: Measure, data: ReportInput, places: Sequence[ArmPlace]) -> list[float]:
    """The arms' own figures, as the analysis has them."""
    known = _pair_figures(measure, data) if measure is DRIFT else {}
    table = data.table("arms")
    if measure is not DRIFT and {"arm", measure.arm_column} <= set(table.columns):
        known = dict(zip(map(str, table["arm"]), table[measure.arm_column].astype(float), strict=True))
    return [known.get(place.arm, float("nan")) for place in places]


def _pair_figures(measure: Measure, data: ReportInput) -> dict[str, float]:
    pairs = data.table("pairs")
    if not {"arm_a", "arm_b", measure.arm_column} <= set(pairs.columns):
        return {}
    figures = {}
    for a, b, value in zip(pairs["arm_a"], pairs["arm_b"], pairs[measure.arm_column], strict=True):
        if data.baselines.get(a) == b:
            figures[str(a)] = float(value)
        elif data.baselines.get(b) == a:
            figures[str(b)] = -float(value)
    return figures
