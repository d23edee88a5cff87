"""Statistics along the rows of a matrix in which absent entries are NaN.

In: matrices, usually comparison x article. Out: one number a row, NaN where it is undefined and
without a warning. Equality is decided by values rounded to 10 decimals, never by a variance that
floating point left at 1e-32.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from bench.analysis.frames import BoolArray, FloatArray, IntArray

DECIMALS = 10
"""Differences are rounded to so many decimals before they are ranked or compared for equality."""


def count(values: FloatArray) -> IntArray:
    """Entries per row that are there."""
    return np.asarray((~np.isnan(values)).sum(axis=-1), dtype=np.int64)


def total(values: FloatArray) -> FloatArray:
    """Sum of a row's entries; 0 for an empty row, whose count is 0 too."""
    return np.asarray(np.nansum(values, axis=-1), dtype=np.float64)


def mean(values: FloatArray) -> FloatArray:
    """Mean of a row's entries; NaN for an empty row."""
    return divided(total(values), count(values))


def variance(values: FloatArray) -> FloatArray:
    """Sample variance (ddof=1) of a row; exactly 0 where all entries are equal, NaN below two."""
    n = count(values)
    deviations = values - mean(values)[..., None]
    result = divided(total(deviations**2), np.where(n >= 2, n - 1, 0))
    return np.where((n >= 2) & constant(values), 0.0, result)


def sd(values: FloatArray) -> FloatArray:
    """Sample standard deviation of a row, as `variance`."""
    return np.asarray(np.sqrt(variance(values)), dtype=np.float64)


def constant(values: FloatArray) -> BoolArray:
    """Rows whose entries, rounded to 10 decimals, are all the same (and at least one is there)."""
    rounded = np.round(values, DECIMALS)
    present = ~np.isnan(rounded)
    low = np.where(present, rounded, np.inf).min(axis=-1, initial=np.inf)
    high = np.where(present, rounded, -np.inf).max(axis=-1, initial=-np.inf)
    return np.asarray(low == high)


def divided(numerator: object, denominator: object) -> FloatArray:
    """The quotient, NaN wherever the denominator is 0 or either side is NaN."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=(bottom != 0) & ~np.isnan(bottom) & ~np.isnan(top))
    return result


def t_quantile(probability: float, dof: object) -> FloatArray:
    """Quantile of Student's t; NaN where dof is below 1."""
    v = np.asarray(dof, dtype=np.float64)
    safe = np.where(v >= 1, v, 1.0)
    return np.where(v >= 1, special.stdtrit(safe, probability), np.nan)


def t_two_sided(t: FloatArray, dof: object) -> FloatArray:
    """Two-sided p-value of a t statistic; NaN where it or its dof is undefined."""
    return np.asarray(2 * special.stdtr(dof, -np.abs(t)), dtype=np.float64)


def f_upper(f: object, dof1: object, dof2: object) -> FloatArray:
    """Upper-tail p-value of an F statistic; NaN where it is undefined."""
    return np.asarray(special.fdtrc(dof1, dof2, f), dtype=np.float64)
