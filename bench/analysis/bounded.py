"""Bounds for a mean of values that cannot leave a known range, however few of them differ.

In: a matrix, comparison x item, NaN where there is nothing, and the range. Out: one-sided bounds a row.
Where no item differs, Student's t bound has no width and promises that none ever will; this one has the
exact binomial's, and Student's where many differ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.analysis.frames import FloatArray

N_DRAWS = 10_000
SEED = 20_260_101
_CHUNK = 2_000_000
"""Weights that are held in memory at a time."""


class MeanBounds(NamedTuple):
    """Bounds of each row's mean."""

    lower: FloatArray
    upper: FloatArray


def mean_bounds(values: FloatArray, low: float, high: float, tail: float) -> MeanBounds:
    """One-sided bounds of each row's mean, each wrong with probability `tail`, for values in [low, high].

    The upper one is the 1 - tail quantile of sum w_i z_i over weights w that are uniform on the simplex
    (Dirichlet 1, ..., 1), where z is the row and one more item of value `high`, which stands for what was
    not seen (Learned-Miller and Thomas 2019, A new confidence interval for the mean of a bounded random
    variable; their spacings of uniform order statistics are these weights). The lower one mirrors it.
    Unit: the item; assumes independent items. For values that are `low` or `high` it is Clopper and
    Pearson's. The quantile is that of 10,000 draws with a fixed seed: the same values give the same bounds.
    Undefined: fewer than two items. Checked against Clopper-Pearson, Student's t for many spread values,
    and by simulation (`benchmarks/quality.py`).
    """
    lower = 0.0 - _upper(-values, -low, tail)  # a minus sign alone would make -0.0 of 0
    return MeanBounds(lower, _upper(values, high, tail) + 0.0)


def share_above(values: FloatArray, high: float, limit: float) -> FloatArray:
    """One-sided p that the mean is `limit` or more: the tail at which the upper bound meets it."""
    found = np.full(len(values), np.nan)
    for row, present in _rows(values):
        draws = _means(np.append(present, high))
        found[row] = (np.round(draws, 12) > round(limit, 12)).mean()
    return found


def _upper(values: FloatArray, high: float, tail: float) -> FloatArray:
    found = np.full(len(values), np.nan)
    at = int(np.ceil((1 - tail) * N_DRAWS - 1e-9)) - 1
    for row, present in _rows(values):
        draws = _means(np.append(present, high))
        # rounded, so that the order in which a sum was taken shows nowhere
        found[row] = round(float(np.partition(draws, at)[at]), 12)
    return found


def _rows(values: FloatArray) -> list[tuple[int, FloatArray]]:
    """The rows with at least two items, without their gaps."""
    kept = [(row, of_row[~np.isnan(of_row)]) for row, of_row in enumerate(values)]
    return [(row, present) for row, present in kept if len(present) >= 2]


def _means(values: FloatArray) -> FloatArray:
    """The weighted mean of `values` in every draw; equal values share one gamma-distributed weight."""
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    rng = np.random.default_rng(SEED)
    parts, left = [], N_DRAWS
    while left:
        n = min(left, max(_CHUNK // len(distinct), 1))
        weights = rng.standard_gamma(counts.astype(np.float64), (n, len(distinct)))
        parts.append(weights @ distinct / weights.sum(axis=1))
        left -= n
    return np.concatenate(parts)
