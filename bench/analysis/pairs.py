"""One row per comparison: every question about A minus B, put side by side.

In: the grid, the pooled moments and the comparisons. Out: `pairs.csv`. Each question is answered in a
module of its own; this one only joins the answers, corrects for their number and says what could not
be tested.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.cells import Grid
from bench.analysis.comparisons import Comparison
from bench.analysis.correction import benjamini_hochberg, holm
from bench.analysis.drift import drift, sampling_variance
from bench.analysis.frames import IntArray, Thresholds
from bench.analysis.labels import label_agreement
from bench.analysis.latency import latency_ratio
from bench.analysis.naive import PooledMoments, welch
from bench.analysis.paired import paired_t, tost, untestable_reason
from bench.analysis.power import (
    articles_needed,
    articles_to_detect,
    iterations_needed,
    smallest_detectable_shift,
)
from bench.analysis.signflip import signflip_p
from bench.analysis.validity import valid_difference
from bench.analysis.variance_ratio import variance_ratio
from bench.analysis.wilcoxon import wilcoxon_p

PAIR_COLUMNS = (
    "kind", "arm_a", "arm_b", "n_articles", "mean_difference", "sd_difference", "se", "t", "dof", "p_value",
    "p_holm", "p_bh", "n_corrected", "ci_low", "ci_high", "ci90_low", "ci90_high", "cohen_dz", "hedges_gz",
    "wilcoxon_p", "signflip_p", "tost_margin", "tost_p", "rms_drift", "rms_drift_lower", "rms_drift_upper",
    "noise_floor", "max_abs_drift", "worst_article", "variance_ratio", "variance_ratio_ci_low",
    "variance_ratio_ci_high", "variance_ratio_upper", "variance_p", "n_articles_labels", "label_flips",
    "label_opposite", "cross_agreement", "self_agreement_a", "self_agreement_b", "excess_disagreement",
    "excess_upper", "valid_difference", "valid_difference_se", "latency_ratio", "latency_ratio_ci_low",
    "latency_ratio_ci_high", "naive_t", "naive_p", "mde", "n_articles_needed", "n_iterations_needed",
    "n_articles_to_detect", "note",
)  # fmt: skip
"""The columns of `pairs.csv`, in order."""


def pair_table(
    grid: Grid,
    moments: PooledMoments,
    comparisons: Sequence[Comparison],
    thresholds: Thresholds,
    margin: float,
) -> pd.DataFrame:
    """`pairs.csv`: one row per comparison, in the order given.

    Unit: the article, but for naive_t and naive_p. `margin` is the shift of the mean that does not
    matter, in units of the score. What could not be tested is NaN, and `note` says why.
    Checked against every pair of the reference values.
    """
    a = np.array([grid.row(c.arm_a) for c in comparisons], dtype=np.int64)
    b = np.array([grid.row(c.arm_b) for c in comparisons], dtype=np.int64)
    d = grid.score_mean[a] - grid.score_mean[b]
    base = pd.DataFrame(comparisons, columns=list(Comparison._fields))
    t_test = paired_t(d)
    ratios = variance_ratio(grid.score_variance[a], grid.score_variance[b])
    tests = pd.DataFrame(
        {
            "wilcoxon_p": wilcoxon_p(d),
            "signflip_p": signflip_p(d),
            "tost_margin": np.full(len(d), margin),
            "tost_p": tost(d, margin),
        }
    )
    table = pd.concat(
        [
            base.drop(columns="note"),
            t_test,
            _corrected(base["kind"], t_test["p_value"]),
            tests,
            drift(grid, a, b),
            ratios.drop(columns="reason"),
            label_agreement(grid, a, b, thresholds),
            valid_difference(grid.valid_rate[a], grid.valid_rate[b]),
            latency_ratio(grid.log_duration_mean[a], grid.log_duration_mean[b]),
            welch(moments, a, b),
            planning(grid, a, b, margin),
        ],
        axis=1,
    )
    notes = zip(base["note"], untestable_reason(d), ratios["reason"], strict=True)
    table["note"] = ["; ".join(part for part in parts if part) for parts in notes]
    return table[list(PAIR_COLUMNS)]


def _corrected(kind: pd.Series, p_value: pd.Series) -> pd.DataFrame:
    """Holm and Benjamini-Hochberg within each kind; n_corrected counts that kind's p-values."""
    table = pd.DataFrame({"p_holm": np.nan, "p_bh": np.nan, "n_corrected": 0}, index=p_value.index)
    for name in kind.unique():
        chosen = (kind == name).to_numpy()
        p = p_value.to_numpy(dtype=float)[chosen]
        table.loc[chosen, "p_holm"] = holm(p)
        table.loc[chosen, "p_bh"] = benjamini_hochberg(p)
        table.loc[chosen, "n_corrected"] = int((~np.isnan(p)).sum())
    return table


def planning(grid: Grid, a: IntArray, b: IntArray, margin: float) -> pd.DataFrame:
    """What rows `a` minus rows `b` could have found, and what would settle `margin` with power .80.

    Unit: the article; columns as in `pairs.csv`. Formulas, and when undefined: `bench.analysis.power`.
    """
    d = grid.score_mean[a] - grid.score_mean[b]
    n, sd = rows.count(d).tolist(), rows.sd(d).tolist()
    answer = rows.mean(grid.score_variance[a]) + rows.mean(grid.score_variance[b])
    noise = rows.mean(sampling_variance(grid, a) + sampling_variance(grid, b))
    true_drift = np.maximum(rows.variance(d) - noise, 0.0)
    return pd.DataFrame(
        {
            "mde": [smallest_detectable_shift(s, g) for s, g in zip(sd, n, strict=True)],
            "n_articles_needed": [articles_needed(s, margin) for s in sd],
            "n_iterations_needed": [
                iterations_needed(t, e, g, margin)
                for t, e, g in zip(true_drift.tolist(), answer.tolist(), n, strict=True)
            ],
            "n_articles_to_detect": [articles_to_detect(s, margin) for s in sd],
        },
        dtype=float,
    )
