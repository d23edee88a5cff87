"""How far scores are from the scores that are known to be right.

In: errors per cell. Out: mean absolute error, root mean square, bias and rank correlation of every arm.
Answers without a score have no error: they are counted by the valid rate, and their share is told here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from bench.analysis import rows
from bench.analysis.calibration import mean_interval
from bench.analysis.frames import FloatArray
from bench.analysis.grading import Grades

Z_975 = 1.959963984540054


def score_errors(grades: Grades) -> pd.DataFrame:
    """Errors of every arm against the reference scores.

    Unit: the item, those with a reference score and a valid answer. error_absolute = mean over items of the
    mean |score - reference| of their answers (what one answer is off by), bias the same without the
    absolute value; t intervals over items, that of the absolute error cut at 0. error_rms = sqrt of the mean
    over items of the mean square; its interval is the root of the t interval of that mean. spearman: rank
    correlation of the items' mean score with the reference (ties averaged), with Fisher's z and Bonett and
    Wright's (2000) standard error sqrt((1 + r^2 / 2) / (n - 3)). Undefined: no such item; spearman below
    three items or where either side is constant, its interval below four or at |r| = 1.
    Checked against scipy's `spearmanr`, scikit-learn's `mean_absolute_error` and hand-worked examples.
    """
    known = ~np.isnan(grades.reference)
    squared = mean_interval("error_rms", grades.error_squared)
    rms = {name: np.sqrt(np.maximum(value, 0.0)) for name, value in squared.items()}
    columns = {
        "n_scored_items": rows.count(grades.error),
        "scored_share": rows.divided(rows.count(grades.error), (known & (grades.n_measured > 0)).sum(axis=1)),
        **mean_interval("error_absolute", grades.error_absolute, least=0.0),
        **rms,
        **mean_interval("bias", grades.error),
    }
    found = [rank_correlation(of_arm, grades.reference) for of_arm in grades.score_mean]
    for place, name in enumerate(("spearman", "spearman_ci_low", "spearman_ci_high")):
        columns[name] = np.array([one[place] for one in found])
    return pd.DataFrame(columns)


def rank_correlation(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """Spearman's rho with its 95 % interval; NaN where they are undefined, see `score_errors`."""
    both = ~np.isnan(x) & ~np.isnan(y)
    n, nan = int(both.sum()), float("nan")
    a, b = np.round(x[both], rows.DECIMALS), np.round(y[both], rows.DECIMALS)
    if n < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return nan, nan, nan
    r = float(np.clip(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1], -1, 1))
    if n < 4 or abs(r) > 1 - 1e-12:
        return r, nan, nan
    half = Z_975 * np.sqrt((1 + r**2 / 2) / (n - 3))
    return r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))
