"""How far single articles move between two arms, beyond the mean over articles.

In: the grid and the rows of the arms compared. Out: root-mean-square drift with its bounds and the
noise it contains, and `drift.csv`. Drift is distance from the other arm, not error.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.cells import Grid
from bench.analysis.frames import LABELS, FloatArray, IntArray, Thresholds, label_codes


def drift(grid: Grid, a: IntArray, b: IntArray) -> pd.DataFrame:
    """Size of the article differences of each comparison (rows `a` minus rows `b`).

    Unit: the article. rms = sqrt(mean d^2); upper = sqrt(sum d^2 / chi2_.05,G) (coverage 96 to 100 %
    in simulation). With q = d^2 - sA^2/nA - sB^2/nB over the articles with two valid answers in both:
    lower = sqrt(max(0, mean q - t_.95,G'-1 sd(q) / sqrt G')), the part beyond sampling noise;
    noise_floor = sqrt(mean(sA^2/nA + sB^2/nB)), what rms would be without any drift.
    Undefined without a common article; lower also with fewer than two articles in q.
    Checked against `net_drift` and `drift_decomp` of the reference values.
    """
    d = grid.score_mean[a] - grid.score_mean[b]
    n = rows.count(d)
    squares = rows.total(d**2)
    noise = sampling_variance(grid, a) + sampling_variance(grid, b)
    q = d**2 - noise
    n_q = rows.count(q)
    bound = rows.mean(q) - rows.t_quantile(0.95, n_q - 1) * rows.divided(rows.sd(q), np.sqrt(n_q))
    chi2 = special.chdtri(np.where(n > 0, n, 1), 0.95)
    size = np.where(np.isnan(d), -1.0, np.round(np.abs(d), rows.DECIMALS))
    worst = size.argmax(axis=1) if d.shape[1] else np.zeros(len(d), dtype=np.int64)
    articles = np.asarray((*grid.articles, ""), dtype=object)
    return pd.DataFrame(
        {
            "rms_drift": np.sqrt(rows.divided(squares, n)),
            "rms_drift_lower": np.sqrt(np.maximum(bound, 0.0)),
            "rms_drift_upper": np.where(n > 0, np.sqrt(squares / chi2), np.nan),
            "noise_floor": np.sqrt(rows.mean(noise)),
            "max_abs_drift": np.where(n > 0, np.abs(d[np.arange(len(d)), worst]), np.nan) if len(d) else [],
            "worst_article": np.where(n > 0, articles[worst], None),
        }
    )


def sampling_variance(grid: Grid, arms: IntArray) -> FloatArray:
    """s^2 / n of each cell of the given arms: the variance of its mean; NaN below two valid answers."""
    return rows.divided(grid.score_variance[arms], grid.n_valid[arms])


def drift_table(grid: Grid, a: IntArray, b: IntArray, thresholds: Thresholds) -> pd.DataFrame:
    """`drift.csv`: comparison x article, for every article that either arm has samples of."""
    present = (grid.n_samples[a] > 0) | (grid.n_samples[b] > 0)
    pair, article = np.nonzero(present)
    at_a, at_b = (a[pair], article), (b[pair], article)
    names = np.asarray([*LABELS, None], dtype=object)
    arms = np.asarray(grid.arms, dtype=object)
    return pd.DataFrame(
        {
            "arm_a": arms[a[pair]],
            "arm_b": arms[b[pair]],
            "article_id": np.asarray(grid.articles, dtype=object)[article],
            "score_a": grid.score_mean[at_a],
            "score_b": grid.score_mean[at_b],
            "difference": grid.score_mean[at_a] - grid.score_mean[at_b],
            "variance_a": grid.score_variance[at_a],
            "variance_b": grid.score_variance[at_b],
            "confidence_a": grid.confidence_mean[at_a],
            "confidence_b": grid.confidence_mean[at_b],
            "duration_a": grid.duration_mean_s[at_a],
            "duration_b": grid.duration_mean_s[at_b],
            "label_a": names[label_codes(grid.score_mean[at_a], thresholds)],
            "label_b": names[label_codes(grid.score_mean[at_b], thresholds)],
        }
    )
