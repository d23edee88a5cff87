"""Upper bounds for a mean whose values are skewed: a few large ones among many small.

In: a matrix, comparison x article, NaN where there is nothing. Out: a bound a row. Student's t bound is
too short there: where the large values happen to be missing, mean and standard error are both small.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from bench.analysis import rows
from bench.analysis.frames import FloatArray, IntArray


def upper_bound(values: FloatArray, tail: float) -> FloatArray:
    """One-sided upper bound of each row's mean: the larger of Student's t and Hall's.

    Unit: the entry. Hall's transformation g(T) = T + c T^2 / 3 + c^2 T^3 / 27 + c / 6n of T = (mean - mu) / s
    removes the first effect of the skewness c; mean - s g^-1(t_tail / sqrt n) is its bound (Hall 1992, On the
    removal of skewness by transformation; t instead of normal quantiles). Where c is 0 it is the t bound.
    Undefined: fewer than two entries; without any spread it is the mean.
    Checked against a direct solution of g and by simulation (`benchmarks/gate.py`).
    """
    n, mean, sd = rows.count(values), rows.mean(values), rows.sd(values)
    step = rows.divided(rows.t_quantile(1 - tail, n - 1), np.sqrt(n))
    hall = mean - sd * _untransformed(-step, skewness(values), n)
    return np.where(sd > 0, np.fmax(mean + sd * step, hall), np.where(n >= 2, mean, np.nan))


def p_at(values: FloatArray, margin: float) -> FloatArray:
    """One-sided p that the mean is `margin` or more: the tail at which `upper_bound` meets it; NaN without
    spread."""
    n, mean, sd = rows.count(values), rows.mean(values), rows.sd(values)
    distance = rows.divided(mean - margin, sd)
    c = skewness(values)
    hall = distance + c * distance**2 / 3 + c**2 * distance**3 / 27 + c / (6 * np.maximum(n, 1))
    larger = np.maximum(distance, hall) * np.sqrt(n)
    return np.asarray(special.stdtr(np.maximum(n - 1, 1), larger), dtype=np.float64)


def skewness(values: FloatArray) -> FloatArray:
    """m3 / m2^1.5 of each row; 0 where the row has no spread."""
    deviations = values - rows.mean(values)[..., None]
    second, third = rows.mean(deviations**2), rows.mean(deviations**3)
    spread = ~rows.constant(values)
    return np.where(spread, rows.divided(third, np.where(spread, second, 1.0) ** 1.5), 0.0)


def _untransformed(y: FloatArray, c: FloatArray, n: IntArray) -> FloatArray:
    """The T whose g is `y`: g is a cube, so it has exactly one."""
    safe = np.where(np.abs(c) > 1e-9, c, 1.0)
    cube = 1 + safe * (y - safe / (6.0 * np.maximum(n, 1)))
    inverse = 3 / safe * (np.cbrt(cube) - 1)
    return np.asarray(np.where(np.abs(c) > 1e-9, inverse, y), dtype=np.float64)
