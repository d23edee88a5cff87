"""How often an arm answers in the required form, and how sure that is.

In: the grid's counts. Out: the valid rate of each arm with an interval that respects that answers to
one article fail together, and the difference of rates between arms. Failed measurements are in no
denominator.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.beta_binomial import profile_interval
from bench.analysis.cells import Grid
from bench.analysis.frames import FloatArray, IntArray

Z_95 = float(special.ndtri(0.975))
ASSUMED_ICC = 0.2
"""Correlation of failures within an article where no failure shows one; the gate takes it too."""


def valid_rates(grid: Grid) -> pd.DataFrame:
    """Valid rate of every arm with its interval.

    Unit: the article as a cluster of answers. Method, in `valid_ci_method`:
    `beta_binomial_profile` where some fail (see `bench.analysis.beta_binomial`): of the intervals tried in
    `benchmarks/intervals.py` the one that covers best;
    `exact_independent`: two-sided Clopper-Pearson on n where all or none are valid: the intraclass
    correlation does not exist there, so answers count as independent, which promises too much (a rate of
    .97 whose failures are alike in an article, ICC .8, is covered in 65 % of runs at 19 x 14);
    `not_testable`: one article with some failures. `valid_clustered_low/high`, which reports show, differ
    only where all or none are valid: Clopper-Pearson on n / (1 + (n_mean - 1) ASSUMED_ICC), which covers
    99 % there and at least 92 % anywhere in `benchmarks/intervals.py`. `valid_worst_low` is the one-sided
    95 % bound when whole articles fail (icc = 1): Clopper-Pearson with n = articles and x = articles times
    rate; it is 0.05^(1/G) where nothing failed. n_eff is NaN where the correlation does not exist.
    `valid_ci_wilson_*`: Wilson with n_eff = n / (1 + (n_mean - 1) max(icc, 0)), for comparison; it covers
    as little as 84 % of mixed counts where whole articles fail, and is NaN where n_eff is.
    Checked against `models` of the reference values (Wilson and Clopper-Pearson in R), 1e-9.
    """
    n = grid.n_measured.sum(axis=1)
    valid = grid.n_valid.sum(axis=1)
    articles = (grid.n_measured > 0).sum(axis=1)
    rate = rows.divided(valid, n)
    n_eff = effective_n(grid.n_valid, grid.n_measured)
    wilson_low, wilson_high = wilson(rate, n_eff)
    profile_low, profile_high = profile_interval(grid.n_valid, grid.n_measured)
    exact_low, exact_high = clopper_pearson(valid, n, 0.025)
    extreme = (valid == 0) | (valid == n)
    shrunk = rows.divided(n, 1 + (rows.divided(n, articles) - 1) * ASSUMED_ICC)
    clustered_low, clustered_high = clopper_pearson(rate * shrunk, shrunk, 0.025)
    mixed = np.where(np.isnan(profile_low), "not_testable", "beta_binomial_profile")
    method = np.where(extreme, "exact_independent", mixed)
    return pd.DataFrame(
        {
            "valid_rate": rate,
            "valid_ci_low": np.where(extreme, exact_low, profile_low),
            "valid_ci_high": np.where(extreme, exact_high, profile_high),
            "valid_clustered_low": np.where(extreme, clustered_low, profile_low),
            "valid_clustered_high": np.where(extreme, clustered_high, profile_high),
            "valid_ci_method": pd.Series(method, dtype=object).where(n > 0, None),
            "valid_worst_low": clopper_pearson(rate * articles, articles, 0.05)[0],
            "n_eff": n_eff,
            "valid_ci_wilson_low": wilson_low,
            "valid_ci_wilson_high": wilson_high,
        }
    )


def icc_anova(n_valid: IntArray, n_measured: IntArray) -> FloatArray:
    """Intraclass correlation of validity within articles, by one-way analysis of variance.

    Unit: arm rows x article columns. (MSB - MSW) / (MSB + (n0 - 1) MSW) with
    n0 = (N - sum n_i^2 / N) / (k - 1) (Donner 1986). Undefined with one article, one answer per
    article, or when all or none are valid. Checked against `icc_anova` of the reference values.
    """
    n = np.where(n_measured > 0, n_measured, np.nan)
    rate = rows.divided(n_valid, n)
    total, k = rows.total(n), rows.count(n)
    overall = rows.divided(rows.total(n * rate), total)
    between = rows.divided(rows.total(n * (rate - overall[:, None]) ** 2), k - 1)
    within = rows.divided(rows.total(n * rate * (1 - rate)), total - k)
    n0 = rows.divided(total - rows.divided(rows.total(n**2), total), k - 1)
    mixed = (overall > 0) & (overall < 1)
    return np.where(mixed, rows.divided(between - within, between + (n0 - 1) * within), np.nan)


def effective_n(n_valid: IntArray, n_measured: IntArray) -> FloatArray:
    """Number of independent answers that would tell as much: n / (1 + (n_mean - 1) max(icc, 0)).

    With one answer per article it is n. Undefined where `icc_anova` is. Checked as `valid_rates`.
    """
    n = n_measured.sum(axis=1)
    n_mean = rows.divided(n, (n_measured > 0).sum(axis=1))
    effect = 1 + (n_mean - 1) * np.maximum(icc_anova(n_valid, n_measured), 0.0)
    valid = n_valid.sum(axis=1)
    single = (n_mean == 1) & (valid > 0) & (valid < n)
    return np.where(single, n, rows.divided(n, effect))


def wilson(rate: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Wilson's 95 % interval for a rate found in `n` answers (n need not be whole); NaN where n is."""
    centre = (rate + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 * np.sqrt(rate * (1 - rate) / n + Z_95**2 / (4 * n**2)) / (1 + Z_95**2 / n)
    return centre - half, centre + half


def clopper_pearson(valid: object, n: object, tail: float) -> tuple[FloatArray, FloatArray]:
    """Exact lower and upper bound, each with probability `tail` beyond it; NaN where n is 0.

    Quantiles of beta(x, n - x + 1) and beta(x + 1, n - x); x and n need not be whole.
    """
    x, size = np.asarray(valid, dtype=np.float64), np.asarray(n, dtype=np.float64)
    inside_low, inside_high = x > 0, x < size
    low = special.betaincinv(np.where(inside_low, x, 1), np.where(inside_low, size - x + 1, 1), tail)
    high = special.betaincinv(np.where(inside_high, x + 1, 1), np.where(inside_high, size - x, 1), 1 - tail)
    return (
        np.where(size > 0, np.where(inside_low, low, 0.0), np.nan),
        np.where(size > 0, np.where(inside_high, high, 1.0), np.nan),
    )


def valid_difference(rate_a: FloatArray, rate_b: FloatArray) -> pd.DataFrame:
    """Difference of valid rates, A minus B, with its clustered standard error.

    Unit: the article: mean and sd / sqrt G of the per-article differences of rates. An se of 0 says
    that all articles differ alike (with no failures at all: by 0), not that the rates are certain.
    Undefined without a common measured article; se also with one.
    Checked against `validity.diff` and `validity.se_cluster` of the reference values, 1e-9.
    """
    d = rate_a - rate_b
    return pd.DataFrame(
        {
            "valid_difference": rows.mean(d),
            "valid_difference_se": rows.divided(rows.sd(d), np.sqrt(rows.count(d))),
        }
    )
