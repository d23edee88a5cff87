"""The picture `pareto`: quality against seconds and size, with the arms that nothing else beats.

In: a ReportInput. Out: one PNG, or None where no arm has both a quality and a cost. Quality is the share
of right labels where articles have labels; else the drift from the arm's own baseline (less is better),
and then arms are ranked inside their group only, since groups have different baselines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.reports import ReportInput
from bench.reports.drawing import plain_ticks, rendered
from bench.reports.labels import drawable
from bench.reports.scale import ArmPlace, arms_in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COSTS = (("seconds_per_valid", "seconds per valid answer", 1.0), ("file_bytes", "model size (MB)", 1e6))
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "osD^vP*Xh<>p"
_MANY = 24
"""With more arms than this only those on a front are named."""
_MOST_NAMES = 40
"""More names than this would hide each other: then there are none."""
_BESIDE = (
    (6, 4, 0.0), (6, -10, 0.0), (-6, 4, 1.0), (-6, -10, 1.0),
    (8, -3, 0.0), (-8, -3, 1.0), (0, 9, 0.5), (0, -15, 0.5),
)  # fmt: skip
"""Where a name may stand: points right of and above its arm, and the share of it that goes to the left."""
Box = tuple[float, float, float, float]
"""Left, bottom, right, top on paper, in points."""


class Point(NamedTuple):
    """One arm in the picture."""

    place: ArmPlace
    cost: float
    quality: float


class Quality(NamedTuple):
    """What the upright axis shows."""

    values: Mapping[str, float]
    label: str
    more_is_better: bool
    shared: bool
    """Whether arms of different groups may be ranked against each other."""


def pareto_png(data: ReportInput) -> bytes | None:
    """The picture as the bytes of a PNG file."""
    quality = quality_of(data)
    panels = [
        (label, points) for column, label, unit in COSTS if (points := _points(data, column, unit, quality))
    ]
    if not panels:
        return None
    return rendered(lambda: _drawn(data, panels, quality))


def quality_of(data: ReportInput) -> Quality:
    """Right labels where there are labels, else drift from the baseline."""
    accuracy = _by_arm(data, "accuracy", "label_accuracy_all")
    if accuracy:
        return Quality(accuracy, "share of right labels (unanswered counts as wrong)", True, True)
    drift = dict.fromkeys(data.baselines.values(), 0.0)
    pairs = data.table("pairs")
    if {"arm_a", "arm_b", "rms_drift"} <= set(pairs.columns):
        for a, b, value in zip(pairs["arm_a"], pairs["arm_b"], pairs["rms_drift"], strict=True):
            arm = a if data.baselines.get(a) == b else b if data.baselines.get(b) == a else None
            if arm is not None and not math.isnan(value):
                drift[str(arm)] = float(value)
    return Quality(drift, "RMS drift from the group's baseline (less is better)", False, False)


def front(points: Sequence[Point], *, more_is_better: bool) -> list[Point]:
    """The points that no other one beats in cost without losing quality, cheapest first.

    An A/A arm is in none: it is no candidate, and the luck of its draw is no reason to ship anything.
    """
    sign = -1.0 if more_is_better else 1.0
    best, kept = math.inf, []
    candidates = [point for point in points if not point.place.repeats]
    for point in sorted(candidates, key=lambda point: (point.cost, sign * point.quality)):
        if sign * point.quality < best:
            best = sign * point.quality
            kept.append(point)
    return kept


def _points(data: ReportInput, column: str, unit: float, quality: Quality) -> list[Point]:
    costs = _by_arm(data, "arms", column)
    places = arms_in_order(data.manifest, costs)
    return [
        Point(place, costs[place.arm] / unit, quality.values[place.arm])
        for place in places
        if place.arm in quality.values
    ]


def _by_arm(data: ReportInput, name: str, column: str) -> dict[str, float]:
    """The defined values of one column of a table with one row per arm."""
    table = data.table(name)
    if not {"arm", column} <= set(table.columns):
        return {}
    values = zip(map(str, table["arm"]), table[column].astype(float), strict=True)
    return {arm: value for arm, value in values if math.isfinite(value)}


def _drawn(data: ReportInput, panels: Sequence[tuple[str, list[Point]]], quality: Quality) -> Figure:
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys(point.place.group for _, points in panels for point in points))
    width = 6.2 * len(panels) + 0.6
    height = 5.4 + 0.2 * math.ceil(len(groups) / (2 * len(panels)))
    figure = Figure(figsize=(width, height), facecolor="white")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    named = [
        _draw_panel(axes, label, points, quality, groups)
        for axes, (label, points) in zip(all_axes, panels, strict=True)
    ]
    ranked = "one front for all arms" if quality.shared else "one front per group: baselines differ"
    figure.text(0.12 / width, 1 - 0.28 / height, "Quality against cost", fontsize=13, weight="bold")
    said = f"run {data.manifest.run_id}; ringed and joined: nothing is both better and cheaper ({ranked})"
    figure.text(0.12 / width, 1 - 0.5 / height, drawable(said), fontsize=7.5, color="#555555")
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=2 * len(panels), fontsize=7.5, frameon=False)
    foot = (0.55 + 0.2 * math.ceil(len(groups) / (2 * len(panels)))) / height
    figure.subplots_adjust(
        left=0.75 / width, right=1 - 0.2 / width, top=1 - 0.75 / height, bottom=foot + 0.25 / height,
        wspace=0.22,
    )  # fmt: skip
    for axes, points in zip(all_axes, named, strict=True):
        _name(axes, points, groups)
    return figure


def _draw_panel(
    axes: Axes, label: str, points: Sequence[Point], quality: Quality, groups: Sequence[tuple[str, ...]]
) -> list[Point]:
    """Points and fronts of one cost; the points that are to be named."""
    fronts = []
    for index, group in enumerate(groups):
        members = [point for point in points if point.place.group == group]
        style: dict[str, Any] = {"color": _COLOURS[index % len(_COLOURS)], "zorder": 3}
        marker = _MARKERS[index % len(_MARKERS)]
        name = drawable(" ".join(group)) or "other arms"
        axes.scatter(
            [p.cost for p in members], [p.quality for p in members], s=34, marker=marker, label=name, **style
        )
        if not quality.shared:
            fronts.append((front(members, more_is_better=False), style["color"]))
    if quality.shared:
        fronts.append((front(points, more_is_better=True), "#555555"))
    for kept, colour in fronts:
        x, y = [p.cost for p in kept], [p.quality for p in kept]
        axes.plot(x, y, color=colour, linewidth=1.0, alpha=0.6, zorder=2)
        axes.scatter(x, y, s=110, facecolors="none", edgecolors=colour, linewidths=1.2, zorder=2)
    named = points if len(points) <= _MANY else [point for kept, _ in fronts for point in kept]
    costs = [point.cost for point in points]
    if min(costs) > 0 and max(costs) > 5 * min(costs):
        axes.set_xscale("log")
        plain_ticks(axes.xaxis, min(costs) / 1.3, max(costs) * 1.3)
        label += ", logarithmic"
    axes.set_xlabel(label, fontsize=8.5)
    axes.set_ylabel(quality.label, fontsize=8.5)
    if not quality.more_is_better:
        axes.invert_yaxis()  # better is up in every picture
    axes.margins(0.08)
    axes.tick_params(labelsize=7.5, which="both")
    axes.grid(visible=True, linewidth=0.4, color="#dddddd", zorder=0)
    return list(named) if len(named) <= _MOST_NAMES else []


def _name(axes: Axes, points: Sequence[Point], groups: Sequence[tuple[str, ...]]) -> None:
    """Write each point's name beside it, where it hides neither a point nor a name if it can.

    The axes must be at their final place: distances are those on paper.
    """
    scale = 72 / axes.figure.dpi
    at = [scale * axes.transData.transform((p.cost, p.quality)) for p in points]
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in at]
    for point, (x, y) in zip(points, at, strict=True):
        text = drawable(point.place.name)
        width = 4.0 * len(text)
        boxes = [
            (x + dx - width * left, y + dy, x + dx + width * (1 - left), y + dy + 7)
            for dx, dy, left in _BESIDE
        ]
        place = min(range(len(boxes)), key=lambda i: sum(_overlap(boxes[i], other) for other in taken))
        dx, dy, left = _BESIDE[place]
        taken.append(boxes[place])
        axes.annotate(
            text, (point.cost, point.quality), xytext=(dx, dy), textcoords="offset points", fontsize=6.5,
            ha={0.0: "left", 0.5: "center", 1.0: "right"}[left],
            color=_COLOURS[groups.index(point.place.group) % len(_COLOURS)],
        )  # fmt: skip


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
