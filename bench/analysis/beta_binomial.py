"""An interval for a rate whose answers fail together: the profile likelihood of the beta-binomial.

In: counts of valid answers, arm x article. Out: lower and upper bound per arm. Each article has a
rate of its own, drawn from a beta distribution; the mean of that distribution is what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from bench.analysis import rows
from bench.analysis.frames import FloatArray, IntArray

_LOG_SPREADS = np.linspace(-7.0, 7.0, 15)
"""Searched logarithms of theta = rho / (1 - rho), rho being the intraclass correlation."""
_GOLDEN = (np.sqrt(5) - 1) / 2


class Tails(NamedTuple):
    """Sufficient statistics per arm: column k counts the articles with more than k of something."""

    valid: FloatArray
    invalid: FloatArray
    measured: FloatArray


def profile_interval(n_valid: IntArray, n_measured: IntArray) -> tuple[FloatArray, FloatArray]:
    """95 % interval of each arm's mean rate by profile likelihood, cut at t(.975, G - 1)^2.

    Unit: the article. The likelihood ratio is compared with the square of Student's t instead of
    chi-squared's 3.84, because few articles are told apart less well (Wilson's and the t interval on
    the logit were compared with it in benchmarks/intervals.py; this one covers best).
    Undefined (NaN): fewer than two articles, or all or no answers valid.
    Checked against a direct maximisation with scipy's betabinom, 1e-6, and by simulation.
    """
    n, valid = n_measured.sum(axis=1), n_valid.sum(axis=1)
    articles = (n_measured > 0).sum(axis=1)
    usable = (articles >= 2) & (valid > 0) & (valid < n)
    low, high = np.full(len(n), np.nan), np.full(len(n), np.nan)
    if not usable.any():
        return low, high
    tails = _tails(n_valid[usable], n_measured[usable])
    rate = valid[usable] / n[usable]
    cut = rows.t_quantile(0.975, articles[usable] - 1) ** 2 / 2
    best = _highest(tails, rate)
    floor = _profile(tails, best) - cut
    low[usable] = np.minimum(_crossing(tails, floor, np.zeros_like(best), best), rate)
    high[usable] = np.maximum(_crossing(tails, floor, np.ones_like(best), best), rate)
    return low, high


def icc_profile(n_valid: IntArray, n_measured: IntArray, iccs: FloatArray) -> FloatArray:
    """Log-likelihood of each intraclass correlation at the best rate for it; icc x arm (rows of the counts).

    Unit: the article. Sums over arms compare correlations that arms share. 0 throughout for an arm that
    says nothing of it: fewer than two articles, or all or no answers valid.
    Checked against scipy's betabinom, 1e-6.
    """
    n, valid = n_measured.sum(axis=1), n_valid.sum(axis=1)
    usable = ((n_measured > 0).sum(axis=1) >= 2) & (valid > 0) & (valid < n)
    found = np.zeros((len(iccs), len(n)))
    if usable.any():
        tails = _tails(n_valid[usable], n_measured[usable])
        for place, icc in enumerate(iccs):
            found[place, usable] = _at_best_rate(tails, np.full(int(usable.sum()), icc / (1 - icc)))
    return found


def _at_best_rate(tails: Tails, theta: FloatArray) -> FloatArray:
    """The highest log-likelihood over rates, which is concave in them: golden section on the logit."""

    def value(logit: FloatArray) -> FloatArray:
        return loglik(tails, special.expit(logit), theta)

    return _peak(value, np.full(len(theta), -16.0), np.full(len(theta), 16.0), 26)


def _peak(
    value: Callable[[FloatArray], FloatArray], left: FloatArray, right: FloatArray, n_steps: int
) -> FloatArray:
    """The highest value between `left` and `right` of functions with one peak, row by row: golden section."""
    inner, outer = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
    value_inner, value_outer = value(inner), value(outer)
    for _ in range(n_steps):
        lower = value_inner >= value_outer
        left, right = np.where(lower, left, inner), np.where(lower, outer, right)
        new_inner, new_outer = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
        fresh = value(np.where(lower, new_inner, new_outer))
        value_inner, value_outer = np.where(lower, fresh, value_outer), np.where(lower, value_inner, fresh)
        inner, outer = new_inner, new_outer
    return np.asarray(np.maximum(value_inner, value_outer), dtype=np.float64)


def _tails(n_valid: IntArray, n_measured: IntArray) -> Tails:
    steps = np.arange(int(n_measured.max()))

    def counted(counts: IntArray) -> FloatArray:
        # one arm at a time: arms x articles x answers need not fit into memory at once
        return np.stack([(row[:, None] > steps).sum(axis=0) for row in counts]).astype(np.float64)

    return Tails(counted(n_valid), counted(n_measured - n_valid), counted(n_measured))


def loglik(tails: Tails, rate: FloatArray, theta: FloatArray) -> FloatArray:
    """Beta-binomial log-likelihood per arm, without its binomial coefficients, at mean `rate` and theta.

    sum_k A_k log(rate + k theta) + B_k log(1 - rate + k theta) - C_k log(1 + k theta), where A, B and C
    count the articles with more than k valid, invalid and measured answers. theta = 0 is the binomial.
    """
    grown = np.arange(tails.measured.shape[1]) * theta[:, None]
    gained = tails.valid * np.log(rate[:, None] + grown) + tails.invalid * np.log(1 - rate[:, None] + grown)
    return np.asarray((gained - tails.measured * np.log1p(grown)).sum(axis=1), dtype=np.float64)


def _profile(tails: Tails, rate: FloatArray) -> FloatArray:
    """The highest log-likelihood over theta at these rates: a grid, then golden section, and theta = 0."""

    def value(log_theta: FloatArray) -> FloatArray:
        return loglik(tails, rate, np.exp(log_theta))

    on_grid = np.stack([value(np.full(len(rate), x)) for x in _LOG_SPREADS])
    place = np.clip(on_grid.argmax(axis=0), 1, len(_LOG_SPREADS) - 2)
    refined = _peak(value, _LOG_SPREADS[place - 1], _LOG_SPREADS[place + 1], 18)
    binomial = loglik(tails, rate, np.zeros(len(rate)))
    candidates = np.stack([refined, on_grid.max(axis=0), binomial])
    return np.asarray(candidates.max(axis=0), dtype=np.float64)


def _highest(tails: Tails, rate: FloatArray) -> FloatArray:
    """The rate with the highest profile likelihood, by golden section about the observed one."""
    left, right = rate * 0.3, 1 - (1 - rate) * 0.3
    inner, outer = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
    value_inner, value_outer = _profile(tails, inner), _profile(tails, outer)
    for _ in range(24):  # near its top the profile is flat: its value is far better than its place
        lower = value_inner >= value_outer
        left, right = np.where(lower, left, inner), np.where(lower, outer, right)
        new_inner, new_outer = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
        fresh = _profile(tails, np.where(lower, new_inner, new_outer))
        value_inner, value_outer = np.where(lower, fresh, value_outer), np.where(lower, value_inner, fresh)
        inner, outer = new_inner, new_outer
    return np.asarray((left + right) / 2, dtype=np.float64)


def _crossing(tails: Tails, floor: FloatArray, outside: FloatArray, inside: FloatArray) -> FloatArray:
    """Where the profile falls to `floor` between `inside` and the border `outside`, by bisection."""
    for _ in range(30):
        middle = (outside + inside) / 2
        above = _profile(tails, middle) >= floor
        outside, inside = np.where(above, outside, middle), np.where(above, middle, inside)
    return np.asarray((outside + inside) / 2, dtype=np.float64)
