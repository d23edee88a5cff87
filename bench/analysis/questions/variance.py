"""Does the arm answer one article as consistently as its baseline?

In: variances inside cells (one arm, one article). Out: their ratio with its bounds, and where that
does not settle it the absolute rise, which is allowed when it is too small to matter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.frames import BoolArray, FloatArray, IntArray
from bench.analysis.questions import TAIL, Evidence, answers, articles_for_bound, settle_words, t_bounds
from bench.analysis.skewed import p_at, upper_bound
from bench.analysis.variance_ratio import variance_ratio

ORDER = 3
ASKS = "Does it answer the same article as consistently?"
UNIT = "ratio"
COMPARES_SCORES = True


class Rule(NamedTuple):
    """One of the two rules, an entry a comparison."""

    estimate: FloatArray
    lower: FloatArray
    upper: FloatArray
    margin: float
    p_value: FloatArray
    needed: FloatArray
    """Articles with which it would pass."""


def applies(evidence: Evidence) -> bool:
    """Only a task with a score has a variance of it."""
    return evidence.has_score


def judge(evidence: Evidence) -> pd.DataFrame:
    """Within-cell variance of the arm over the baseline's against `variance_ratio`; or the rise of the
    mean cell variance against `variance_abs`^2 x (half the score range)^2.

    Unit: the article, those with two valid answers in both arms. Passes if either rule's upper bound
    stays within its margin; fails if both lower bounds are beyond. The numbers shown are those of the
    rule that decides (a reason says when it is the absolute one, then in units of score squared).
    Both arms constant, or the arm alone: passes. Only the baseline constant: the absolute rule.
    Undefined: fewer than two such articles. Checked against `variance` of the reference values.
    """
    a, b = evidence.grid.score_variance[evidence.a], evidence.grid.score_variance[evidence.b]
    both = ~np.isnan(a) & ~np.isnan(b)
    a, b = np.where(both, a, np.nan), np.where(both, b, np.nan)
    n = rows.count(a)
    ratio, rise = ratio_rule(a, b, n, evidence), absolute_rule(a - b, n, evidence)
    sum_a, sum_b = rows.total(a), rows.total(b)
    constant = (n >= 2) & (sum_a == 0)
    by_ratio, by_rise = ratio.upper <= ratio.margin, rise.upper <= rise.margin
    has_ratio = ~np.isnan(ratio.upper)
    passes = constant | by_ratio | by_rise
    fails = ~passes & (rise.lower > rise.margin) & (~has_ratio | (ratio.lower > ratio.margin))
    use_rise = ~constant & ~by_ratio & (by_rise | ~has_ratio)

    def chosen(from_ratio: FloatArray, from_rise: FloatArray) -> FloatArray:
        return np.where(use_rise, from_rise, from_ratio)

    needed = np.fmin(ratio.needed, rise.needed)
    made = answers(
        estimate=np.where(constant & (sum_b > 0), 0.0, chosen(ratio.estimate, rise.estimate)),
        lower=chosen(ratio.lower, rise.lower),
        upper=chosen(ratio.upper, rise.upper),
        margin=chosen(np.full(len(n), ratio.margin), np.full(len(n), rise.margin)),
        passes=passes,
        fails=fails,
        testable=n >= 2,
        p_value=np.where(constant, np.nan, np.fmin(ratio.p_value, rise.p_value)),
        reason=_reasons(n, sum_a, sum_b, ratio, rise, use_rise, passes, fails, needed),
        n_articles_needed=needed,
    )
    return made


def alone(evidence: Evidence) -> None:
    """Nothing: consistency is held against the baseline's."""


def ratio_rule(a: FloatArray, b: FloatArray, n: IntArray, evidence: Evidence) -> Rule:
    """Ratio of the mean variances; bounds exp(log ratio -+ t_.95,G-1 SE_jackknife)."""
    found = variance_ratio(a, b)
    estimate = found["variance_ratio"].to_numpy(dtype=float)
    upper = found["variance_ratio_upper"].to_numpy(dtype=float)
    margin = evidence.margins.variance_ratio
    half = np.log(upper) - np.log(np.where(estimate > 0, estimate, np.nan))
    se = rows.divided(half, rows.t_quantile(0.95, n - 1))
    p_value = special.stdtr(np.maximum(n - 1, 1), (np.log(estimate) - np.log(margin)) / se)
    sd = se * np.sqrt(n)
    with_articles = articles_for_bound(evidence, np.log(estimate), sd, float(np.log(margin)), n)
    return Rule(estimate, estimate * np.exp(-half), upper, margin, p_value, with_articles)


def absolute_rule(differences: FloatArray, n: IntArray, evidence: Evidence) -> Rule:
    """Mean of the cell variances' differences, arm minus baseline, with bounds over articles.

    The lower one is Student's t; the upper one the larger of it and Hall's, because variances of few
    answers are skewed.
    """
    mean, sd = rows.mean(differences), rows.sd(differences)
    lower, _ = t_bounds(mean, rows.divided(sd, np.sqrt(n)), n)
    upper = upper_bound(differences, TAIL)
    margin = (evidence.margins.variance_abs * evidence.scale) ** 2
    p_value = np.where(sd > 0, p_at(differences, margin), np.nan)
    deciding = rows.divided((upper - mean) * np.sqrt(n), rows.t_quantile(1 - TAIL, n - 1))
    needed = articles_for_bound(evidence, mean, deciding, margin, n)
    return Rule(mean, lower, upper, margin, p_value, needed)


def _reasons(
    n: IntArray,
    sum_a: FloatArray,
    sum_b: FloatArray,
    ratio: Rule,
    rise: Rule,
    use_rise: BoolArray,
    passes: BoolArray,
    fails: BoolArray,
    needed: FloatArray,
) -> list[str]:
    said = []
    for i in range(len(n)):
        if n[i] < 2:
            said.append("fewer than two articles with two valid answers in both arms")
        elif sum_a[i] == 0:
            who = "both arms repeat" if sum_b[i] == 0 else "it repeats"
            said.append(f"{who} the same score on every article")
        else:
            by_rise = f"the variance rises by at most {rise.upper[i]:.5f} ({rise.margin:.5f} is allowed)"
            if np.isnan(ratio.upper[i]):
                why = "the baseline repeats itself" if sum_b[i] == 0 else "the ratio hangs on one article"
                text = f"{why}, so the absolute rule decides: {by_rise}"
            elif use_rise[i]:
                text = f"the ratio is not settled, but {by_rise}"
            else:
                text = (
                    f"variance is {ratio.estimate[i]:.2f} times the baseline's, at most {ratio.upper[i]:.2f}"
                )
            decided = passes[i] or fails[i]
            said.append(text if decided else text + settle_words(float(needed[i]), float("nan")))
    return said
