"""Does the arm give the same scores on average?

In: article means of both arms. Out: the paired difference with its 90 % interval, held against a
margin either way.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.drift import sampling_variance
from bench.analysis.frames import FloatArray, IntArray
from bench.analysis.paired import tost, untestable_reason
from bench.analysis.power import articles_needed, iterations_needed
from bench.analysis.questions import (
    Evidence,
    answers,
    articles_for_bound,
    settle_words,
    t_bounds,
)

ORDER = 1
ASKS = "Does it give the same scores on average?"
UNIT = "score"
COMPARES_SCORES = True


def applies(evidence: Evidence) -> bool:
    """Only a task with a score has means."""
    return evidence.has_score


def judge(evidence: Evidence) -> pd.DataFrame:
    """Mean of the article differences, arm minus baseline, against +- `mean` x half the score range.

    Unit: the article. Passes where the 90 % t interval lies inside the margin (TOST at 5 %), fails
    where it lies outside. Undefined: fewer than two common articles. Where all articles differ alike
    the interval has no width, which the reason says, and p is undefined.
    Checked against `paired` and `tost` of the reference values.
    """
    margin = evidence.margins.mean * evidence.scale
    d = evidence.grid.score_mean[evidence.a] - evidence.grid.score_mean[evidence.b]
    n, mean, sd = rows.count(d), rows.mean(d), rows.sd(d)
    lower, upper = t_bounds(mean, rows.divided(sd, np.sqrt(n)), n)
    # without width a mean of exactly the margin must not fail on the last binary digit
    low, high = np.round(lower, rows.DECIMALS), np.round(upper, rows.DECIMALS)
    passes, fails = (low >= -margin) & (high <= margin), (low > margin) | (high < -margin)
    articles, iterations = _needed(evidence, mean, sd, n, margin)
    said = []
    for i, reason in enumerate(untestable_reason(d)):
        text = f"moved by {mean[i]:+z.3f} on average ({lower[i]:+z.3f} to {upper[i]:+z.3f})"
        if n[i] < 2:
            text = reason.removeprefix("not testable: ")
        elif sd[i] == 0:
            text = f"every article moved alike, by {mean[i]:+z.3f}; the interval has no width"
        elif not passes[i] and not fails[i]:
            text += settle_words(articles[i], iterations[i]) or "; the shift itself is near the margin"
        said.append(text)
    return answers(
        estimate=mean,
        lower=lower,
        upper=upper,
        margin=margin,
        passes=passes,
        fails=fails,
        testable=n >= 2,
        p_value=tost(d, margin),
        reason=said,
        n_articles_needed=articles,
        n_iterations_needed=iterations,
    )


def alone(evidence: Evidence) -> None:
    """Nothing: scores are only held against the baseline's."""


def _needed(
    evidence: Evidence, mean: FloatArray, sd: FloatArray, n: IntArray, margin: float
) -> tuple[FloatArray, FloatArray]:
    """Articles and iterations for a power of .80 (as in `pairs.csv`), and enough for this very shift."""
    nan = np.full(len(mean), np.nan)
    if not evidence.planning:
        return nan, nan
    grid, a, b = evidence.grid, evidence.a, evidence.b
    powered = np.array([articles_needed(s, margin) for s in sd], dtype=np.float64)
    articles = np.fmax(powered, articles_for_bound(evidence, np.abs(mean), sd, margin, n))
    answer = rows.mean(grid.score_variance[a]) + rows.mean(grid.score_variance[b])
    noise = rows.mean(sampling_variance(grid, a) + sampling_variance(grid, b))
    drift = np.maximum(sd**2 - noise, 0.0)
    iterations = np.array(
        [iterations_needed(t, e, int(g), margin) for t, e, g in zip(drift, answer, n, strict=True)],
        dtype=np.float64,
    )
    near = np.abs(mean) >= margin
    now = rows.divided(grid.n_valid[a].sum(axis=1), n)
    return (
        np.where(near | (articles <= n), np.nan, articles),
        np.where(near | (iterations <= now), np.nan, iterations),
    )
