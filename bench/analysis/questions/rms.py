"""Do single articles keep their score?

In: article means of both arms and the variance inside cells. Out: the root-mean-square drift with its
bounds. Even identical arms drift by sampling noise, so only the part beyond noise can fail an arm.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.drift import drift
from bench.analysis.questions import MOST_NEEDED, Evidence, answers, counts_above, fewest

ORDER = 2
ASKS = "Do single articles keep their score?"
UNIT = "score"
COMPARES_SCORES = True


def applies(evidence: Evidence) -> bool:
    """Only a task with a score has drift."""
    return evidence.has_score


def judge(evidence: Evidence) -> pd.DataFrame:
    """`rms_drift` against `rms` x half the score range, as `bench.analysis.drift.drift` defines it.

    Unit: the article. Passes: rms_drift_upper <= margin. Fails: rms_drift_lower, which is net of
    sampling noise, > margin. p: chi-square of sum d^2 / margin^2 with G degrees of freedom.
    Undefined: no common article. Checked against `net_drift` of the reference values.
    """
    margin = evidence.margins.rms * evidence.scale
    d = evidence.grid.score_mean[evidence.a] - evidence.grid.score_mean[evidence.b]
    n = rows.count(d)
    found = drift(evidence.grid, evidence.a, evidence.b)
    rms, lower, upper, noise = (
        found[name].to_numpy(dtype=float)
        for name in ("rms_drift", "rms_drift_lower", "rms_drift_upper", "noise_floor")
    )
    passes, fails = upper <= margin, lower > margin
    measured = evidence.grid.n_measured[evidence.a]
    repeats = rows.divided(measured.sum(axis=1), (measured > 0).sum(axis=1))
    plans = [
        _plan(float(rms[i]), float(noise[i]), int(n[i]), float(repeats[i]), margin)
        if evidence.planning and not passes[i]
        else (math.nan, math.nan)
        for i in range(len(rms))
    ]
    said = []
    for i, (articles, iterations) in enumerate(plans):
        text = f"articles moved by {rms[i]:.3f} (root mean square), at most {upper[i]:.3f}"
        if n[i] == 0:
            text = "no article with a valid answer in both arms"
        elif fails[i]:
            text += f"; beyond sampling noise at least {lower[i]:.3f}"
        elif not passes[i]:
            text += _missing(float(noise[i]), articles, iterations)
        said.append(text)
    total = rows.total(d**2)
    return answers(
        estimate=rms,
        lower=lower,
        upper=upper,
        margin=margin,
        passes=passes,
        fails=fails,
        testable=n > 0,
        # without any difference at all the bound has no width
        p_value=np.where(total > 0, special.chdtr(np.maximum(n, 1), total / margin**2), np.nan),
        reason=said,
        n_articles_needed=np.array([plan[0] for plan in plans]),
        n_iterations_needed=np.array([plan[1] for plan in plans]),
    )


def alone(evidence: Evidence) -> None:
    """Nothing: drift is distance from the baseline."""


def _plan(rms: float, noise: float, n: int, repeats: float, margin: float) -> tuple[float, float]:
    """Articles (at these iterations), and iterations (on these articles), that would let this drift pass."""
    nan = float("nan")
    if n == 0 or math.isnan(rms):
        return nan, nan
    articles = nan
    if rms < margin:
        tried = counts_above(n)
        articles = fewest(rms**2 * tried / special.chdtri(tried, 0.95) <= margin**2, tried)
    if math.isnan(noise) or noise == 0:
        return articles, nan
    net = max(rms**2 - noise**2, 0.0)
    room = margin**2 * float(special.chdtri(n, 0.95)) / n - net
    needed = math.ceil(repeats * noise**2 / room) if room > 0 else nan
    return articles, float(needed) if repeats < needed <= MOST_NEEDED else nan


def _missing(noise: float, articles: float, iterations: float) -> str:
    """What is missing, articles or iterations, from the noise floor."""
    text = "" if math.isnan(noise) else f"; sampling noise alone gives {noise:.3f}"
    if not math.isnan(iterations):
        text += f"; iterations are missing: about {iterations:.0f} on these articles"
        return text + (f", or about {articles:.0f} articles" if not math.isnan(articles) else "")
    if not math.isnan(articles):
        return f"{text}; articles are missing: about {articles:.0f}"
    return f"{text}; the drift itself is near the margin: more articles and more iterations"
