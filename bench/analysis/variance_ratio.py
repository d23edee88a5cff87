"""Does one arm answer the same article less consistently than another?

In: comparison x article matrices of within-cell variances. Out: their ratio with an interval over
articles. A variance between articles is another question (`bench.analysis.components`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.frames import FloatArray


def variance_ratio(variance_a: FloatArray, variance_b: FloatArray) -> pd.DataFrame:
    """Ratio A / B of the mean within-cell variances, over articles with two valid answers in both.

    Unit: the article. Standard error of the log ratio by the delete-one-article jackknife,
    t with G - 1 degrees of freedom; `variance_ratio_upper` is the one-sided 95 % bound.
    Undefined: fewer than two such articles, a mean variance of 0 on one side (all cells constant),
    or one that becomes 0 when a single article is left out. The reason is in `reason`.
    Checked against `variance` of the reference values (R and Python), 1e-9.
    """
    both = ~np.isnan(variance_a) & ~np.isnan(variance_b)
    a, b = np.where(both, variance_a, np.nan), np.where(both, variance_b, np.nan)
    n = rows.count(a)
    sum_a, sum_b = rows.total(a), rows.total(b)
    log_ratio = _log_ratio(sum_a, sum_b)
    left_out = _log_ratio(_without_each(a, sum_a), _without_each(b, sum_b))
    spread = rows.total((left_out - rows.mean(left_out)[:, None]) ** 2)
    complete = rows.count(left_out) == n
    se = np.sqrt(rows.divided(n - 1, n) * spread)
    se = np.where((n >= 2) & complete & (se > 0) & ~np.isnan(log_ratio), se, np.nan)
    half = rows.t_quantile(0.975, n - 1) * se
    return pd.DataFrame(
        {
            "variance_ratio": np.exp(log_ratio),
            "variance_ratio_ci_low": np.exp(log_ratio - half),
            "variance_ratio_ci_high": np.exp(log_ratio + half),
            "variance_ratio_upper": np.exp(log_ratio + rows.t_quantile(0.95, n - 1) * se),
            "variance_p": rows.t_two_sided(log_ratio / se, n - 1),
            "reason": _reasons(n, sum_a, sum_b, se),
        }
    )


def _log_ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    """log(a / b) where both are positive, else NaN."""
    positive = (a > 0) & (b > 0)
    result = np.full(a.shape, np.nan)
    result[positive] = np.log(a[positive] / b[positive])
    return result


def _without_each(values: FloatArray, totals: FloatArray) -> FloatArray:
    """The row total without each entry; exactly 0 where all the others are 0, NaN where it is absent."""
    rest = totals[:, None] - values
    n_positive = np.asarray((values > 0).sum(axis=1))[:, None]
    alone = (n_positive - (values > 0)) == 0
    return np.where(np.isnan(values), np.nan, np.where(alone, 0.0, rest))


def _reasons(n: np.ndarray, sum_a: FloatArray, sum_b: FloatArray, se: FloatArray) -> list[str]:
    reasons = []
    for i in range(len(n)):
        if not np.isnan(se[i]):
            reasons.append("")
        elif n[i] < 2:
            reasons.append(
                "variance ratio not testable: fewer than two articles with two valid answers in both"
            )
        elif sum_a[i] == 0 or sum_b[i] == 0:
            side = "both arms" if sum_a[i] == sum_b[i] else ("arm_a" if sum_a[i] == 0 else "arm_b")
            reasons.append(f"variance ratio not testable: {side} gave constant answers to every article")
        else:
            reasons.append("variance ratio not testable: it hangs on a single article")
    return reasons
