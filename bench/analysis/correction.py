"""Corrections for having asked several questions of one kind.

In: the p-values of one kind of comparison. Out: adjusted p-values in the same order. NaN is no
test: it stays NaN and does not count.
"""

from __future__ import annotations

import numpy as np

from bench.analysis.frames import FloatArray


def holm(p_values: FloatArray) -> FloatArray:
    """Holm's step-down adjusted p-values (family-wise error).

    Unit: one p-value a comparison. Formula: max over j <= i of min(1, (m - j) p_(j)), j from 0.
    Undefined (NaN) where the p-value is. Checked against a hand-computed example.
    """
    order, adjusted, ranked = _ranked(p_values)
    m = len(ranked)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((m - np.arange(m)) * ranked))
    return adjusted


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Benjamini and Hochberg's step-up adjusted p-values (false discovery rate).

    Unit: one p-value a comparison. Formula: min over j >= i of min(1, m p_(j) / (j + 1)), j from 0.
    Undefined (NaN) where the p-value is. Checked against a hand-computed example.
    """
    order, adjusted, ranked = _ranked(p_values)
    m = len(ranked)
    steps = ranked * m / np.arange(1, m + 1)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return adjusted


def _ranked(p_values: FloatArray) -> tuple[np.ndarray, FloatArray, FloatArray]:
    """Places of the defined p-values by size, an all-NaN result, and those p-values sorted."""
    defined = np.flatnonzero(~np.isnan(p_values))
    order = defined[np.argsort(p_values[defined], kind="stable")]
    return order, np.full(len(p_values), np.nan), p_values[order]
