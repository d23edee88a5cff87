"""The picture `calibration`: stated confidence against the share that is right, one panel a group of arms.

In: a ReportInput. Out: one PNG, or None where no answer to an item with a label states a confidence. It
computes nothing: the table `calibration` has every point.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.reports import ReportInput
from bench.reports.drawing import rendered
from bench.reports.labels import drawable
from bench.reports.scale import ArmPlace, arms_in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "osD^vP*"
_COLUMNS = 3
_MOST_PANELS = 12


def reliability_png(data: ReportInput) -> bytes | None:
    """The picture as the bytes of a PNG file."""
    table = data.table("calibration")
    if table.empty or not (table["n_answers"] > 0).any():
        return None
    return rendered(lambda: _drawn(data, table))


def _drawn(data: ReportInput, table: Any) -> Figure:
    from matplotlib.figure import Figure

    groups: dict[tuple[str, ...], list[ArmPlace]] = {}
    for place in arms_in_order(data.manifest, map(str, table["arm"].unique())):
        groups.setdefault(place.group, []).append(place)
    chosen = list(groups.items())[:_MOST_PANELS]
    n_columns = min(_COLUMNS, len(chosen))
    n_rows = -(-len(chosen) // n_columns)
    figure = Figure(figsize=(max(4.4 * n_columns, 6.0), 4.4 * n_rows + 1.0), facecolor="white")
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    panels = [axes for row in grid for axes in row]
    for axes, (group, places) in zip(panels, chosen, strict=False):
        _panel(axes, drawable(" ".join(group)), places, table)
    for axes in panels[len(chosen) :]:
        axes.set_visible(False)
    left_out = len(groups) - len(chosen)
    more = f"; {left_out} more groups are in calibration.csv" if left_out else ""
    words = (
        f"run {data.manifest.run_id}; on the dashed line confidence and share right are equal; "
        f"a larger mark holds more items{more}"
    )
    height = figure.get_figheight()
    title = "Does a stated confidence mean what it says?"
    figure.text(0.02, 1 - 0.3 / height, title, fontsize=13, weight="bold")
    figure.text(0.02, 1 - 0.5 / height, drawable(words), fontsize=7.5, color="#555555")
    figure.tight_layout(rect=(0, 0.35 / height, 1, 1 - 0.6 / height))
    return figure


def _panel(axes: Axes, title: str, places: list[ArmPlace], table: Any) -> None:
    axes.plot([0, 1], [0, 1], color="#9a9a9a", linewidth=0.8, linestyle="--")
    for index, place in enumerate(places):
        mine = table[(table["arm"] == place.arm) & (table["n_answers"] > 0)]
        colour, marker = _COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)]
        x, y = mine["mean_confidence"].tolist(), mine["share_right"].tolist()
        total = math.fsum(mine["item_weight"]) or 1.0
        sizes = [12 + 90 * weight / total for weight in mine["item_weight"]]
        axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.7)
        axes.scatter(x, y, s=sizes, color=colour, marker=marker, label=drawable(place.name), alpha=0.85)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_title(title, fontsize=8)
    axes.set_xlabel("mean stated confidence", fontsize=7)
    axes.set_ylabel("share of right answers", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4, frameon=False)
