"""The signed-rank test, exact also where differences tie.

In: a comparison x article matrix of differences. Out: one p-value a comparison.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis.frames import FloatArray, IntArray
from bench.analysis.rows import DECIMALS


def wilcoxon_p(differences: FloatArray) -> FloatArray:
    """Two-sided exact p-value of Wilcoxon's signed-rank test, conditional on the mid-ranks.

    Unit: the article. Differences are rounded to 10 decimals before ranking (unrounded ones changed
    the p in 21 of 45 real pairs, by up to .14), zeros are dropped, ties get mid-ranks, and the
    distribution of W+ over all sign assignments of those ranks is computed, not approximated.
    Undefined where every difference is 0 or there is none.
    Checked against `wilcoxon.p_exact_midrank` of the reference values, 18 pairs.
    """
    return np.array([_exact(row) for row in differences], dtype=np.float64)


def _exact(row: FloatArray) -> float:
    rounded = np.round(row[~np.isnan(row)], DECIMALS)
    nonzero = rounded[rounded != 0]
    if len(nonzero) == 0:
        return float("nan")
    # doubled, so that mid-ranks are whole numbers
    ranks = np.rint(2 * pd.Series(np.abs(nonzero)).rank().to_numpy()).astype(np.int64)
    if not (ranks % 2).any():
        ranks //= 2
    positive = int(ranks[nonzero > 0].sum())
    smaller = min(positive, int(ranks.sum()) - positive)
    return min(1.0, 2 * _lower_tail(np.sort(ranks), smaller))


def _lower_tail(ranks: IntArray, limit: int) -> float:
    """P(sum of a random half of the ranks <= limit): a convolution, one rank at a time."""
    probability = np.zeros(limit + 1)
    probability[0] = 1.0
    reach = 0
    for rank in ranks.tolist():
        reach = min(limit, reach + rank)
        if rank <= limit:
            probability[rank : reach + 1] += probability[: reach + 1 - rank].copy()
        probability[: reach + 1] *= 0.5
    return float(probability.sum())
