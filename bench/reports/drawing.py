"""Drawing one heatmap: sizes, colours, names, and what stands outside the colour scale.

In: a Picture, with every number and name already there. Out: the bytes of a PNG file, the same for the
same picture: the reader's own settings, the date and the program's name stay out of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.reports.labels import drawable, fitting_lines, group_label
from bench.reports.measures import Scale
from bench.reports.scale import ArmPlace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """One heatmap, ready to be drawn."""

    title: str
    subtitle: str
    unit: str
    """What the colour bar says."""
    colours: str
    """A matplotlib colour map."""
    scale: Scale
    """The values at the ends of the colours."""
    digits: int
    """Decimals of a number in a cell."""
    grid: npt.NDArray[np.float64]
    """The values, rows down and arms across; NaN where undefined."""
    rows: Sequence[str]
    """Labels of the rows."""
    arms: Sequence[ArmPlace]
    """The columns."""
    breaks: Sequence[int] = ()
    """Rows that begin a new block, told apart by a line."""
    means: Sequence[float] | None = None
    """What stands below each column, outside the colour scale; NaN where undefined."""
    undefined: str = "undefined (too few valid answers, or not measured)"
    """What hatching means."""


_DPI = 110
_FONT = 7.0
_CHAR_INCHES = _FONT / 72 * 0.62
_NARROW = 0.4
"""In columns of at most so many inches numbers are turned upright."""
_LABEL_INCHES = 0.14
"""Rows lower than this cannot all be named."""
_TALL = 24.0
"""Inches that the cells of a very long run share."""
_HATCH = {"hatch": "////", "facecolor": "#ffffff", "edgecolor": "#9a9a9a", "linewidth": 0.0}


class _Layout(NamedTuple):
    """Sizes in inches."""

    cell_width: float
    cell_height: float
    left: float
    right: float
    top: float
    bottom: float
    means: float
    width: float
    height: float


def png(picture: Picture) -> bytes:
    """The picture as the bytes of a PNG file."""
    return rendered(lambda: _drawn(picture))


def rendered(draw: Callable[[], Figure]) -> bytes:
    """What `draw` draws, as the bytes of a PNG file that depend on nothing else."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with mpl.rc_context():
        mpl.rcdefaults()  # the reader's own matplotlibrc must not change a report
        mpl.rcParams["font.family"] = "DejaVu Sans"
        mpl.rcParams["hatch.linewidth"] = 0.6
        mpl.rcParams["text.parse_math"] = False  # a `$` in a headline is a currency
        figure = draw()
        FigureCanvasAgg(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _drawn(picture: Picture) -> Figure:
    from matplotlib.figure import Figure

    layout = _layout(picture)
    figure = Figure(figsize=(layout.width, layout.height), facecolor="white")
    axes = _axes(figure, layout, 0.0, len(picture.rows) * layout.cell_height)
    _draw_cells(figure, axes, picture, layout)
    _draw_blocks(axes, picture.breaks)
    _draw_names(axes, picture.arms, picture.rows, layout)
    _draw_means(figure, picture, layout)
    _draw_words(figure, picture, layout)
    return figure


def _layout(picture: Picture) -> _Layout:
    """Cells large enough for their numbers in a small run, and just large enough to see in a large one."""
    places, rows = picture.arms, picture.rows
    cell_height = min(0.30, max(0.19, 12.0 / len(rows)), _TALL / len(rows))
    left = max(0.35 + max(map(len, rows)) * _CHAR_INCHES, 0.95)
    right = 1.35
    width = max(left + len(places) * min(0.75, max(0.27, 11.0 / len(places))) + right, 7.5)
    cell_width = (width - left - right) / len(places)
    names = max(len(place.name) for place in places) * _CHAR_INCHES + 0.15
    means = 0.0 if picture.means is None else 0.3 if cell_width > _NARROW else 0.55
    bottom = means + names + 0.55
    groups = [fitting_lines(*spaces) for spaces in _group_spaces(places, cell_width)]
    top = 0.75 + max(1.1 if lines is None else 0.15 * (lines.count("\n") + 1) for lines in groups)
    height = len(rows) * cell_height + top + bottom
    return _Layout(cell_width, cell_height, left, right, top, bottom, means, width, height)


def _groups(places: Sequence[ArmPlace]) -> list[tuple[int, int]]:
    """Where each group of neighbouring arms begins and ends."""
    ends = [i for i in range(1, len(places)) if places[i].group != places[i - 1].group] + [len(places)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _group_spaces(places: Sequence[ArmPlace], cell_width: float) -> list[tuple[str, float]]:
    """Each group's label with the number of characters that fit above its columns."""
    return [
        (group_label(places[begin]), (end - begin) * cell_width / _CHAR_INCHES)
        for begin, end in _groups(places)
    ]


def _axes(figure: Figure, layout: _Layout, offset: float, height: float) -> Axes:
    """Axes over the arms' columns, `offset` inches above the foot of the cells."""
    plot_width = layout.width - layout.left - layout.right
    box = (layout.left, layout.bottom + offset, plot_width, height)
    sizes = (layout.width, layout.height, layout.width, layout.height)
    return figure.add_axes(tuple(part / size for part, size in zip(box, sizes, strict=True)))  # type: ignore[arg-type]


def _draw_cells(figure: Figure, axes: Axes, picture: Picture, layout: _Layout) -> None:
    import seaborn as sns
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle

    grid = picture.grid
    n_articles, n_arms = grid.shape
    axes.add_patch(Rectangle((0, 0), n_arms, n_articles, zorder=0, **_HATCH))  # type: ignore[arg-type]
    bar_width, bar_height = 0.16 / layout.width, min(3.0, n_articles * layout.cell_height)
    top = (layout.bottom + n_articles * layout.cell_height) / layout.height
    bar = figure.add_axes(
        ((layout.width - layout.right + 0.25) / layout.width, top - bar_height / layout.height, bar_width,
         bar_height / layout.height)
    )  # fmt: skip
    fits = layout.cell_width > (picture.digits + 3) * _CHAR_INCHES and layout.cell_height > _LABEL_INCHES
    numbers = np.array([[_number(value, picture.digits) for value in row] for row in grid]) if fits else None
    scale = picture.scale
    sns.heatmap(
        np.maximum(grid, scale.low) if scale.log else grid,
        mask=np.isnan(grid),
        ax=axes,
        cmap=picture.colours,
        norm=LogNorm(scale.low, scale.high) if scale.log else Normalize(scale.low, scale.high),
        annot=numbers,
        fmt="",
        annot_kws={"fontsize": _FONT},
        linewidths=0.4 if layout.cell_height > 0.1 else 0.0,
        linecolor="white",
        cbar_ax=bar,
        xticklabels=False,
        yticklabels=False,
    )
    bar.tick_params(labelsize=_FONT, length=2)
    if scale.log:
        plain_ticks(bar.yaxis, scale.low, scale.high)
    bar.set_ylabel(picture.unit, fontsize=_FONT + 1)


def plain_ticks(axis: Axis, low: float, high: float) -> None:
    """1, 2 and 5 in every decade, written as plain numbers; matplotlib's own would be powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_names(axes: Axes, places: Sequence[ArmPlace], rows: Sequence[str], layout: _Layout) -> None:
    step = max(1, int(np.ceil(_LABEL_INCHES / layout.cell_height)))
    axes.set_yticks(np.arange(len(rows))[::step] + 0.5, rows[::step], fontsize=_FONT)
    axes.tick_params(length=0, pad=3)
    above = -0.08 / layout.cell_height
    spaces = _group_spaces(places, layout.cell_width)
    for (begin, end), (label, n_chars) in zip(_groups(places), spaces, strict=True):
        lines = fitting_lines(label, n_chars)
        if lines is None:
            line = label.replace("\n", " ")
            axes.text(begin + 0.2, above, line, fontsize=_FONT, rotation=35, ha="left", va="bottom")
        else:
            style: dict[str, Any] = {
                "fontsize": _FONT + 0.5,
                "weight": "bold",
                "ha": "center",
                "va": "bottom",
            }
            axes.text((begin + end) / 2, above, lines, **style)
        if end < len(places):
            axes.axvline(end, color="black", linewidth=1.4)


def _draw_blocks(axes: Axes, breaks: Sequence[int]) -> None:
    for row in breaks:
        axes.axhline(row, color="white", linewidth=5)


def _draw_means(figure: Figure, picture: Picture, layout: _Layout) -> None:
    """The arms' own figures on white below the cells, and the arms' names below them."""
    axes = _axes(figure, layout, -layout.means - 0.08, layout.means)
    axes.set_xlim(0, len(picture.arms))
    axes.set_ylim(0, 1)
    style: dict[str, Any] = {"fontsize": _FONT, "weight": "bold", "ha": "center", "va": "center"}
    turned = 90 if layout.cell_width <= _NARROW else 0
    for index, mean in enumerate(picture.means or ()):
        axes.text(index + 0.5, 0.5, _number(mean, picture.digits) or "–", rotation=turned, **style)
    names = [drawable(place.name) for place in picture.arms]
    turned = 90 if max(map(len, names)) * _CHAR_INCHES > layout.cell_width - 0.05 else 0
    axes.set_xticks(np.arange(len(names)) + 0.5, names, fontsize=_FONT, rotation=turned)
    axes.set_yticks([0.5] if picture.means else [], ["all articles"] if picture.means else [],
                    fontsize=_FONT, weight="bold")  # fmt: skip
    axes.tick_params(length=0, pad=3)
    for spine in axes.spines.values():
        spine.set_color("#9a9a9a")


def _number(value: float, digits: int) -> str:
    """A number as it stands in a cell, without a minus before a zero; "" where it is undefined."""
    text = "" if np.isnan(value) else f"{value:.{digits}f}"
    return text.removeprefix("-") if text.strip("-0.") == "" else text


def _draw_words(figure: Figure, picture: Picture, layout: _Layout) -> None:
    """Title above; below, what hatching means."""
    x: dict[str, Any] = {"x": 0.12 / layout.width, "ha": "left"}
    small: dict[str, Any] = {"fontsize": _FONT + 0.5, "color": "#555555"}
    figure.text(y=1 - 0.28 / layout.height, s=picture.title, fontsize=13, weight="bold", **x)
    figure.text(y=1 - 0.48 / layout.height, s=drawable(picture.subtitle), **small, **x)
    if np.isnan(picture.grid).any():
        figure.text(
            y=0.1 / layout.height,
            s=f"hatched: {picture.undefined}",
            **small,
            **x,
        )
