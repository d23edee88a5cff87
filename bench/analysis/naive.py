"""The tests that pool answers as if they were independent: shown beside ours as what not to use.

In: valid scores of several arms, articles and iterations pooled. Out: Welch's t, one-way F, Levene
and Brown-Forsythe. On real results they call many differences that are not there and miss many that
are, because repeated answers to one article are not independent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.frames import FloatArray, IntArray


class PooledMoments(NamedTuple):
    """Count, mean and variance (ddof=1, 0 if constant) of each arm's pooled valid scores."""

    n: IntArray
    mean: FloatArray
    variance: FloatArray


class FTest(NamedTuple):
    """An F statistic with its p-value; both NaN where there is no test."""

    f: float
    p: float


_NO_TEST = FTest(float("nan"), float("nan"))


def pooled_moments(samples: pd.DataFrame) -> PooledMoments:
    """Moments of the pooled valid scores, one entry per category of `samples.arm`."""
    grouped = samples.loc[samples["valid"]].groupby("arm", observed=False)["score"]
    stats = grouped.agg(["count", "mean", "var", "min", "max"])
    constant = (stats["min"] == stats["max"]) & (stats["count"] >= 2)
    return PooledMoments(
        stats["count"].to_numpy(dtype=np.int64),
        stats["mean"].to_numpy(dtype=float),
        stats["var"].mask(constant, 0.0).to_numpy(dtype=float),
    )


def welch(moments: PooledMoments, a: IntArray, b: IntArray) -> pd.DataFrame:
    """Welch's t-test of arms `a` against `b` on pooled answers.

    Unit: the answer, which is the mistake it shows. Undefined below two answers on a side or when
    both sides are constant. Checked against `naive_welch` of the reference values (R's t.test), 1e-9.
    """
    part_a = rows.divided(moments.variance[a], moments.n[a])
    part_b = rows.divided(moments.variance[b], moments.n[b])
    squared = part_a + part_b
    t = rows.divided(moments.mean[a] - moments.mean[b], np.sqrt(squared))
    weights = rows.divided(part_a**2, moments.n[a] - 1) + rows.divided(part_b**2, moments.n[b] - 1)
    dof = rows.divided(squared**2, weights)
    return pd.DataFrame({"naive_t": t, "naive_p": rows.t_two_sided(t, dof)})


def one_way(groups: list[FloatArray]) -> FTest:
    """One-way analysis of variance; no test below two groups or without variation inside groups.

    Unit: the answer. Checked against `naive_anova` of the reference values (R's aov), 1e-9.
    """
    filled = [group for group in groups if len(group)]
    n, k = sum(len(group) for group in filled), len(filled)
    if k < 2 or n <= k or all(_constant(group) for group in filled):
        return _NO_TEST
    grand = np.concatenate(filled).mean()
    between = sum(len(group) * (group.mean() - grand) ** 2 for group in filled)
    within = sum(((group - group.mean()) ** 2).sum() for group in filled)
    if within <= 1e-20 * (between + within):
        return _NO_TEST
    f = (between / (k - 1)) / (within / (n - k))
    return FTest(float(f), float(rows.f_upper(f, k - 1, n - k)))


def levene(groups: list[FloatArray], *, median: bool) -> FTest:
    """Levene's test of equal variances on deviations from the mean, or from the median
    (Brown-Forsythe).

    Unit: the answer. No test when a group is constant: its deviations are all 0, and F would be
    decided by rounding. Checked against `naive_levene` of the reference values, 1e-9.
    """
    if any(len(group) < 2 or _constant(group) for group in groups):
        return _NO_TEST
    centre = np.median if median else np.mean
    return one_way([np.abs(group - centre(group)) for group in groups])


def _constant(group: FloatArray) -> bool:
    return bool(np.ptp(np.round(group, rows.DECIMALS)) == 0) if len(group) else True
