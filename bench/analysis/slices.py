"""Where is an arm worse: by source, length, company, label, or any other grouping of the articles?

In: one number per arm and article, and what is known about the articles. Out: `slices.csv`: each slice
against the other articles, with its own interval, and p-values corrected for the number of slices that were
looked at. Slices are looked for where they are not expected, so an uncorrected p would find one in every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.bounded import mean_bounds
from bench.analysis.calibration import mean_interval
from bench.analysis.cells import Grid
from bench.analysis.correction import holm
from bench.analysis.frames import IDENTITY, BoolArray, FloatArray
from bench.analysis.grading import Grades

FEWEST = 5
"""A slice with fewer articles, or with fewer outside it, is shown without interval and test."""
N_DRAWS = 5_000
SEED = 20_260_103
_CHUNK = 4_000_000
COLUMNS = (
    *IDENTITY, "measure", "dimension", "slice", "n_articles", "value", "ci_low", "ci_high", "elsewhere",
    "difference", "p_value", "p_holm", "n_slices", "rank", "note",
)  # fmt: skip
SIZES = ("short", "medium", "long")


class Measure(NamedTuple):
    """What slices are compared by."""

    name: str
    values: FloatArray
    """Arm x article; NaN where undefined."""
    limits: tuple[float, float] | None
    """Smallest and largest possible value; None for errors: 0 and open above."""
    higher_is_better: bool


def measures(grades: Grades | None, grid: Grid, baselines: Mapping[str, str]) -> list[Measure]:
    """What can be told of every article: right answers and their change against the baseline, where articles
    have labels; the score's error, where they have reference scores; valid answers."""
    found = []
    if grades is not None and grades.has_labels:
        right = grades.right
        change = np.full(right.shape, np.nan)
        for arm, base in baselines.items():
            if arm != base:
                a, b = grades.arms.index(arm), grades.arms.index(base)
                change[a] = right[a] - right[b]
        found += [Measure("accuracy", right, (0.0, 1.0), True)]
        found += [Measure("accuracy_change", change, (-1.0, 1.0), True)]
    if grades is not None and grades.has_scores:
        found.append(Measure("error_absolute", grades.error_absolute, None, False))
    valid = rows.divided(grid.n_valid, grid.n_measured)
    return [*found, Measure("valid_rate", valid, (0.0, 1.0), True)]


def slice_table(found: Sequence[Measure], attributes: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """`slices.csv`: arm x measure x slice, the worst first.

    `attributes` has a row per article, in the order of the values: `n_chars`, and one column per dimension
    with the slice's name, NaN where an article is in none. Unit: the article. value is the mean over the
    slice's articles with a 95 % interval of its own (`bounded`, Student's for errors), elsewhere the mean
    over all others that the dimension has, difference the slice minus these. p_value: permutation test of the
    difference, two-sided (the slice's articles drawn at random without putting back, 5,000 times, fixed
    seed), which needs no distribution and holds for small slices. p_holm: Holm's correction over the n_slices
    tested of that arm and measure, which holds however slices overlap. rank: 1 is the slice furthest below
    (above, of errors) the others. Undefined, with a note: fewer than 5 articles in the slice or outside it,
    or all values alike. The interval is not corrected: of the worst of many slices it is too kind.
    Checked against scipy's `permutation_test` and by simulation in the tests (equal arms: at most 5 % of runs
    have any p_holm <= .05).
    """
    dimensions = dict(_dimensions(attributes))
    made: list[dict[str, Any]] = []
    for measure in found:
        for row in range(len(arms)):
            lines = _of_arm(measure, measure.values[row], dimensions)
            identity = {name: arms.iloc[row][name] for name in IDENTITY}
            made += [{**identity, "measure": measure.name, **line} for line in lines]
    return pd.DataFrame(made, columns=list(COLUMNS))


def _dimensions(attributes: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Each dimension that tells articles apart, with every article's slice."""
    for name in attributes.columns:
        named = length_names(attributes[name]) if name == "n_chars" else attributes[name]
        if named.nunique(dropna=True) >= 2:
            yield ("length" if name == "n_chars" else str(name)), named.astype(object)


def length_names(n_chars: pd.Series) -> pd.Series:
    """Thirds of the articles by length, named with their limits; NaN where there is no text."""
    known = n_chars.dropna()
    if known.empty:
        return n_chars.astype(object)
    low, high = (float(np.quantile(known, share, method="lower")) for share in (1 / 3, 2 / 3))
    limits = (f"up to {low:.0f}", f"to {high:.0f}", f"over {high:.0f}")
    names = [f"{size} ({limit} characters)" for size, limit in zip(SIZES, limits, strict=True)]
    return n_chars.map(lambda n: names[int(n > low) + int(n > high)], na_action="ignore").astype(object)


def _of_arm(
    measure: Measure, values: FloatArray, dimensions: Mapping[str, pd.Series]
) -> list[dict[str, Any]]:
    """Every slice of one arm by one measure; nothing where the arm has no value."""
    if np.isnan(values).all():
        return []
    lines, p_values = [], []
    for dimension, named in dimensions.items():
        known = named.notna().to_numpy() & ~np.isnan(values)
        names = [str(name) for name in pd.unique(named[known])]
        inside = [known & (named == name).to_numpy() for name in names]
        p_values.append(permutation_p(values, known, inside))
        for name, members in zip(names, inside, strict=True):
            lines.append({"dimension": dimension, "slice": name, **_line(measure, values, members, known)})
    p = np.concatenate(p_values) if p_values else np.zeros(0)
    corrected, n_slices = holm(p), int((~np.isnan(p)).sum())
    for line, raw, after in zip(lines, p, corrected, strict=True):
        line |= {"p_value": raw, "p_holm": after, "n_slices": n_slices}
    return _ranked(lines, measure)


def _line(measure: Measure, values: FloatArray, members: BoolArray, known: BoolArray) -> dict[str, Any]:
    mine, others = values[members], values[known & ~members]
    value, elsewhere = rows.mean(mine[None])[0], rows.mean(others[None])[0]
    low = high = np.nan
    note = ""
    if len(mine) < FEWEST or len(others) < FEWEST:
        where = "in this slice" if len(mine) < FEWEST else "outside it"
        note = f"not testable: fewer than {FEWEST} articles {where}"
    elif rows.constant(values[known][None])[0]:
        note = "not testable: all articles are alike"
    if len(mine) >= FEWEST:
        low, high = _interval(mine, measure.limits)
    return {
        "n_articles": len(mine),
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "elsewhere": elsewhere,
        "difference": value - elsewhere,
        "note": note,
    }


def _interval(values: FloatArray, limits: tuple[float, float] | None) -> tuple[float, float]:
    if limits is None:
        found = mean_interval("x", values[None], least=0.0)
        return float(found["x_ci_low"][0]), float(found["x_ci_high"][0])
    bounds = mean_bounds(values[None], *limits, 0.025)
    return float(bounds.lower[0]), float(bounds.upper[0])


def _ranked(lines: list[dict[str, Any]], measure: Measure) -> list[dict[str, Any]]:
    """The tested slices by how much worse than the others they are, then those that cannot be tested."""
    sign = 1.0 if measure.higher_is_better else -1.0
    tested = [line for line in lines if not np.isnan(line["p_value"])]
    tested.sort(key=lambda line: (round(sign * line["difference"], 12), line["dimension"], line["slice"]))
    for rank, line in enumerate(tested, 1):
        line["rank"] = float(rank)
    untested = [{**line, "rank": np.nan} for line in lines if np.isnan(line["p_value"])]
    return [*tested, *untested]


def permutation_p(values: FloatArray, known: BoolArray, slices: Sequence[BoolArray]) -> FloatArray:
    """Two-sided p of every slice: how often as many articles drawn at random lie as far from the mean.

    One set of random orders of the known articles serves all slices: the first k of an order are a random
    slice of k. NaN where `slice_table` calls a slice untestable. p = (1 + as far) / (1 + draws).
    """
    kept = values[known]
    sizes = np.array([int(members.sum()) for members in slices], dtype=np.int64)
    testable = (sizes >= FEWEST) & (len(kept) - sizes >= FEWEST)
    found = np.full(len(slices), np.nan)
    if not testable.any() or rows.constant(kept[None])[0]:
        return found
    centred = kept - kept.mean()
    seen = np.array([abs(float(centred[members[known]].sum())) for members in slices])
    rng, far, left = np.random.default_rng(SEED), np.zeros(len(slices)), N_DRAWS
    while left:
        n = min(left, max(_CHUNK // len(kept), 1))
        sums = np.cumsum(rng.permuted(np.broadcast_to(centred, (n, len(kept))), axis=1), axis=1)
        for place in np.flatnonzero(testable):
            far[place] += (np.abs(sums[:, sizes[place] - 1]) >= seen[place] - 1e-9).sum()
        left -= n
    return np.where(testable, (1 + far) / (1 + N_DRAWS), np.nan)
