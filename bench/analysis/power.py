"""How much data would settle it: smallest detectable shift, articles and iterations needed.

In: the spread of the article differences of a comparison. Out: planning numbers for a power of .80
at a two-sided .05. They describe a next run, and are no test of this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import special

POWER = 0.80
ALPHA = 0.05
MOST = 1_000_000
"""Beyond so many articles or iterations the answer is: no realistic number."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


def t_power(shift_in_se: float, dof: int) -> float:
    """Power of the two-sided paired t-test for a true shift of so many standard errors.

    Noncentral t, both tails. Checked against `power` of the reference values (R's power.t.test,
    strict = TRUE, tol = 1e-13).
    """
    critical = float(special.stdtrit(dof, 1 - ALPHA / 2))
    if shift_in_se > critical + 40:
        return 1.0  # nctdtr gives NaN for a large noncentrality
    below = special.nctdtr(dof, shift_in_se, critical)
    return float(1 - below + special.nctdtr(dof, shift_in_se, -critical))


def tost_power(margin_in_se: float, dof: int) -> float:
    """Power of the two one-sided tests at a true shift of 0, the margin being so many standard errors.

    Integral over the distribution of the estimated standard error s (in units of the true one) of
    max(0, 2 Phi(margin - t_.95 s) - 1). Checked against `G_tost` of the reference values.
    """
    critical = float(special.stdtrit(dof, 1 - ALPHA))
    highest = min(margin_in_se / critical, 1 + 12 / math.sqrt(dof))
    lowest = max(0.0, 1 - 12 / math.sqrt(dof))
    if highest <= lowest:
        return 0.0
    s = lowest + (highest - lowest) * (_NODES + 1) / 2
    log_density = (
        math.log(2)
        + dof / 2 * math.log(dof / 2)
        - special.gammaln(dof / 2)
        + (dof - 1) * np.log(s)
        - dof * s**2 / 2
    )
    inside = 2 * special.ndtr(margin_in_se - critical * s) - 1
    return float((highest - lowest) / 2 * np.sum(_WEIGHTS * np.exp(log_density) * inside))


def smallest_detectable_shift(sd: float, n_articles: int) -> float:
    """The true shift that a paired t-test with this many articles finds with power .80.

    Unit: the article. NaN where sd is 0 or undefined, or with fewer than two articles.
    Checked against `power.mde80_G19` of the reference values.
    """
    if not sd > 0 or n_articles < 2:
        return float("nan")
    return _detectable_in_se(n_articles - 1) * sd / math.sqrt(n_articles)


@lru_cache(maxsize=4096)
def _detectable_in_se(dof: int) -> float:
    return _crossing(lambda shift: t_power(shift, dof))


@lru_cache(maxsize=4096)
def _settled_in_se(dof: int) -> float:
    """The margin, in standard errors, that TOST settles with power .80."""
    return _crossing(lambda margin: tost_power(margin, dof))


def _crossing(power: Callable[[float], float]) -> float:
    """Where an increasing power function passes .80, by bisection."""
    low, high = 0.0, 4.0
    while power(high) < POWER:
        low, high = high, high * 2
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if power(middle) < POWER else (low, middle)
    return high


def articles_to_detect(sd: float, shift: float) -> float:
    """Fewest articles whose paired t-test finds a true `shift` with power .80; NaN as above.

    Checked against `power.G_for_shift_0p05_power80` and `G_detect` of the reference values.
    """
    return _fewest(lambda g: t_power(shift * math.sqrt(g) / sd, g - 1), sd)


def articles_needed(sd: float, margin: float) -> float:
    """Fewest articles with which TOST settles `margin` with power .80 at a true shift of 0.

    Checked against `power.G_for_TOST_0p05_power80_true0` and `G_tost` of the reference values.
    """
    return _fewest(lambda g: tost_power(margin * math.sqrt(g) / sd, g - 1), sd)


def _fewest(power: Callable[[int], float], sd: float) -> float:
    if not sd > 0:
        return float("nan")
    low, high = 1, 2
    while power(high) < POWER:
        low, high = high, high * 2
        if high > MOST:
            return float("nan")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(middle) < POWER else (low, middle)
    return float(high)


def iterations_needed(drift_variance: float, answer_variance: float, n_articles: int, margin: float) -> float:
    """Fewest iterations with which TOST settles `margin` on the same articles; NaN where none would.

    sd(n)^2 = drift_variance + answer_variance / n, where drift_variance is the variance of the true
    article differences and answer_variance the sum of the two mean within-cell variances.
    """
    if n_articles < 2 or not (drift_variance >= 0 and answer_variance >= 0):
        return float("nan")
    most_variance = n_articles * (margin / _settled_in_se(n_articles - 1)) ** 2
    if drift_variance >= most_variance:
        return float("nan")
    needed = max(1, math.ceil(answer_variance / (most_variance - drift_variance)))
    return float(needed) if needed <= MOST else float("nan")
