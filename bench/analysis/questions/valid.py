"""Does the arm still answer in the required form?

In: counts of valid and measured answers per article. Out: the drop of the valid rate against the
baseline, and whether the arm's own rate is above the floor. With few failures a t interval over
articles has no width, so an exact bound that respects clustering stands beside it; the larger counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.frames import FloatArray, IntArray
from bench.analysis.questions import (
    TAIL,
    Evidence,
    answers,
    counts_above,
    fewest,
    settle_words,
    t_bounds,
)
from bench.analysis.validity import ASSUMED_ICC, clopper_pearson

ORDER = 0
ASKS = "Does it still answer in the required form?"
UNIT = "rate"
COMPARES_SCORES = False
LEAST_ICC = ASSUMED_ICC
"""Failures of one article are never taken to be less alike than this."""
ICCS = np.array([*np.arange(0.0, 0.5, 0.05), 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
"""Correlations whose likelihood is compared."""
MOST_ASSUMED_ICC = 0.5
"""Few failures rule out no correlation at all; more than this is taken from estimates only."""
ENOUGH_FAILING = 40
"""With so many articles that fail, counted in each arm, the correlation is estimated well enough."""
FALL = float(special.ndtri(1 - TAIL)) ** 2 / 2
"""A correlation is not ruled out while its log-likelihood is within this of the highest (one-sided 95 %)."""


class Failures(NamedTuple):
    """How often arms fail, with exact bounds; one entry an arm."""

    n: FloatArray
    """Measured answers."""
    failed: FloatArray
    """Those that are not valid."""
    n_eff: FloatArray
    """Independent answers that would tell as much: n / (1 + (n_mean - 1) icc)."""
    icc: FloatArray
    """The correlation that was assumed."""
    x: FloatArray
    """Failures among them: failed n_eff / n."""
    lower: FloatArray
    """One-sided 95 % Clopper-Pearson bounds of the failure rate, on n_eff."""
    upper: FloatArray


def applies(evidence: Evidence) -> bool:
    """Every task has a form."""
    return True


def pooled_icc(n_valid: IntArray, n_measured: IntArray) -> float:
    """Correlation of failures within articles, pooled over the arms (rows) that have some; at least 0.2.

    Unit: the article within an arm. Sums of squares and degrees of freedom of the one-way analyses of
    variance are added over the arms, so the arm with most answers weighs most. Where no arm has both
    valid and failed answers it is 0.2. One arm alone gives `validity.icc_anova` (checked in the tests).
    """
    n = np.where(n_measured > 0, n_measured, np.nan)
    total, k = rows.total(n), rows.count(n)
    rate = rows.divided(n_valid, n)
    overall = rows.divided(rows.total(n * rate), total)
    used = (overall > 0) & (overall < 1) & (k >= 2) & (total > k)
    if not used.any():
        return LEAST_ICC
    between = rows.total(n * (rate - overall[:, None]) ** 2)[used].sum() / (k - 1)[used].sum()
    within = rows.total(n * rate * (1 - rate))[used].sum() / (total - k)[used].sum()
    sizes = (total - rows.divided(rows.total(n**2), total))[used].sum() / (k - 1)[used].sum()
    spread = between + (sizes - 1) * within
    return max(float((between - within) / spread) if spread > 0 else 0.0, LEAST_ICC)


def failing_cells(n_valid: IntArray, n_measured: IntArray) -> IntArray:
    """Articles of each arm (row) with a failure."""
    return np.asarray((n_valid < n_measured).sum(axis=1), dtype=np.int64)


def icc_limit(profile: FloatArray, n_failing: IntArray) -> FloatArray:
    """The largest intraclass correlation that failures do not rule out, one-sided 95 %, within 0.2 to 0.5.

    `profile` (icc x comparison) is `beta_binomial.icc_profile` at `ICCS` and `n_failing` are the
    `failing_cells`, both added over the arms that share a correlation. From `ENOUGH_FAILING` cells on
    `pooled_icc` is trusted, and 0.2 is returned. An estimate from a handful of failing articles comes out
    far too small in just those runs that would pass: with `pooled_icc` alone a drop past the margin passes
    in 8 to 10 % at an ICC of 0.6.
    """
    inside = (profile >= profile.max(axis=0) - FALL) & (ICCS <= MOST_ASSUMED_ICC)[:, None]
    found = np.where(inside, ICCS[:, None], 0.0).max(axis=0)
    found = np.where(inside.any(axis=0), found, MOST_ASSUMED_ICC)
    found = np.where(n_failing >= ENOUGH_FAILING, LEAST_ICC, found)
    return np.asarray(np.maximum(found, LEAST_ICC), dtype=np.float64)


def failures(evidence: Evidence, arms: IntArray) -> Failures:
    """Failure rates of grid rows with Clopper-Pearson bounds on the effective number of answers.

    Its correlation is `evidence.icc`, and of an arm that has failures at least `evidence.icc_limit`.
    """
    n = evidence.grid.n_measured[arms].sum(axis=1).astype(np.float64)
    failed = n - evidence.grid.n_valid[arms].sum(axis=1)
    n_mean = rows.divided(n, (evidence.grid.n_measured[arms] > 0).sum(axis=1))
    icc = np.where(failed > 0, np.fmax(evidence.icc, evidence.icc_limit), evidence.icc)
    n_eff = rows.divided(n, 1 + (n_mean - 1) * icc)
    x = rows.divided(failed * n_eff, n)
    lower, upper = clopper_pearson(x, n_eff, TAIL)
    return Failures(n, failed, n_eff, icc, x, lower, upper)


def judge(evidence: Evidence) -> pd.DataFrame:
    """Drop of the valid rate, baseline minus arm, against `valid_drop`; own rate against `valid_floor`.

    Unit: the article. upper = the larger of the t bound over articles' drops and CP_upper - the
    baseline's failure rate; lower = the smaller of the mirrored ones. Passes: upper <= valid_drop and
    1 - CP_upper >= valid_floor. Fails: lower > valid_drop or 1 - CP_lower < valid_floor.
    Undefined: fewer than two articles measured in both. p is the largest of the three tests'.
    Checked against hand-computed examples and `benchmarks/gate.py`: with 40 articles a drop just past the
    margin passes in at most 5 % up to an ICC of 0.6. Without any failure nothing contradicts an ICC of 0.2:
    where whole articles fail (an ICC near 1), 12 % of such runs have 40 articles without one, and pass.
    """
    grid, margin, floor = evidence.grid, evidence.margins.valid_drop, evidence.margins.valid_floor
    drops = grid.valid_rate[evidence.b] - grid.valid_rate[evidence.a]
    n, mean, sd = rows.count(drops), rows.mean(drops), rows.sd(drops)
    se = rows.divided(sd, np.sqrt(n))
    t_lower, t_upper = t_bounds(mean, se, n)
    own, base = failures(evidence, evidence.a), failures(evidence, evidence.b)
    base_rate = rows.divided(base.failed, base.n)
    upper = np.maximum(t_upper, own.upper - base_rate)
    lower = np.minimum(t_lower, own.lower - base_rate)
    floor_met, floor_missed = 1 - own.upper >= floor, 1 - own.lower < floor
    width = np.where(se > 0, se, np.nan)
    p_t = np.where(se > 0, special.stdtr(np.maximum(n - 1, 1), (mean - margin) / width), mean > margin)
    p_drop = exact_p(own, np.minimum(margin + base_rate, 1.0))
    passes, fails = (upper <= margin) & floor_met, (lower > margin) | floor_missed
    articles, iterations = _needed(evidence, own, base_rate, mean, sd, passes | fails)
    return answers(
        estimate=mean,
        lower=lower,
        upper=upper,
        margin=margin,
        passes=passes,
        fails=fails,
        testable=~np.isnan(upper),
        p_value=np.maximum(np.maximum(p_t, p_drop), exact_p(own, np.full(len(mean), 1 - floor))),
        reason=_reasons(
            own, base, upper, floor_met, floor_missed, floor, articles, iterations, passes | fails
        ),
        n_articles_needed=articles,
        n_iterations_needed=iterations,
    )


def alone(evidence: Evidence) -> pd.DataFrame:
    """The arm's own valid rate against `valid_floor`, where there is no baseline or the arm is one."""
    own, floor = failures(evidence, evidence.a), evidence.margins.valid_floor
    passes, fails = 1 - own.upper >= floor, 1 - own.lower < floor
    reasons = [
        f"{f:.0f} of {n:.0f} answers failed; at least {1 - u:.1%} are valid, {floor:.0%} are asked"
        for f, n, u in zip(own.failed, own.n, own.upper, strict=True)
    ]
    return answers(
        estimate=1 - rows.divided(own.failed, own.n),
        lower=1 - own.upper,
        upper=1 - own.lower,
        margin=floor,
        passes=passes,
        fails=fails,
        testable=own.n > 0,
        p_value=exact_p(own, np.full(len(own.n), 1 - floor)),
        reason=reasons,
    )


def exact_p(own: Failures, rate: FloatArray) -> FloatArray:
    """One-sided p that the failure rate is at least `rate`: where the Clopper-Pearson bound meets it."""
    inside = (own.n > 0) & (own.x < own.n_eff)
    a, b = np.where(inside, own.x + 1, 1.0), np.where(inside, own.n_eff - own.x, 1.0)
    return np.where(inside, 1 - special.betainc(a, b, np.where(np.isnan(rate), 1.0, rate)), 1.0)


def _needed(
    evidence: Evidence,
    own: Failures,
    base_rate: FloatArray,
    mean: FloatArray,
    sd: FloatArray,
    decided: np.ndarray,
) -> tuple[FloatArray, FloatArray]:
    """Articles, and iterations on the same articles, with which the same rates would pass."""
    articles, iterations = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    measured = evidence.grid.n_measured[evidence.a]
    allowed = np.minimum(evidence.margins.valid_drop + base_rate, 1 - evidence.margins.valid_floor)
    unsettled = ~decided & (own.n > 0) & ~np.isnan(sd) & evidence.planning
    for i in np.flatnonzero(unsettled):
        g = int((measured[i] > 0).sum())
        tried = counts_above(g)
        half = rows.t_quantile(1 - TAIL, tried - 1) * sd[i] / np.sqrt(tried)
        exact = clopper_pearson(own.x[i] * tried / g, own.n_eff[i] * tried / g, TAIL)[1] <= allowed[i]
        articles[i] = fewest((mean[i] + half <= evidence.margins.valid_drop) & exact, tried)
        repeats = counts_above(round(own.n[i] / g))
        n_eff = g * repeats / (1 + (repeats - 1) * own.icc[i])
        enough = clopper_pearson(own.failed[i] / own.n[i] * n_eff, n_eff, TAIL)[1] <= allowed[i]
        within = mean[i] + rows.t_quantile(1 - TAIL, g - 1) * sd[i] / np.sqrt(g)
        iterations[i] = fewest(enough & bool(within <= evidence.margins.valid_drop), repeats)
    return articles, iterations


def _reasons(
    own: Failures,
    base: Failures,
    upper: FloatArray,
    floor_met: np.ndarray,
    floor_missed: np.ndarray,
    floor: float,
    articles: FloatArray,
    iterations: FloatArray,
    decided: np.ndarray,
) -> list[str]:
    said = []
    for i in range(len(upper)):
        if np.isnan(upper[i]):
            said.append("fewer than two articles were measured in both arms")
            continue
        text = f"{own.failed[i]:.0f} of {own.n[i]:.0f} answers failed"
        text += f", of the baseline {base.failed[i]:.0f} of {base.n[i]:.0f}; drop at most {upper[i]:.1%}"
        if floor_missed[i]:
            text += f"; at most {1 - own.lower[i]:.1%} are valid and {floor:.0%} are asked"
        elif not floor_met[i]:
            text += f"; {1 - own.upper[i]:.1%} to {1 - own.lower[i]:.1%} are valid and {floor:.0%} are asked"
        said.append(text if decided[i] else text + settle_words(articles[i], iterations[i]))
    return said
