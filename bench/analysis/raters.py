"""How far several raters agree on the same items, beyond what chance gives.

In: for each item what each rater said, None where one said nothing. Out: a coefficient with a 95 % interval.
Unit of analysis: the item; raters are taken as they are. Assumptions: items are drawn independently; the
interval is the percentile bootstrap over items (1,000 resamples, seeded), so it needs tens of items to mean
much. Undefined (NaN) where no item has two ratings, or where everybody always says the same, because then
nothing is left to disagree about.

Krippendorff's alpha = 1 - D_observed / D_expected over pairable values, with any number of raters and
missing ratings: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011). Checked against the example
there (0.743 nominal, 0.849 interval). Cohen's kappa = (p_o - p_e) / (1 - p_e) for two raters, checked
against scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bench.analysis.frames import FloatArray

RESAMPLES = 1000
_Coefficient = Callable[[FloatArray], float]


class Agreement(NamedTuple):
    """A coefficient: 1 is full agreement, 0 what chance gives, below 0 less."""

    value: float
    ci_low: float
    ci_high: float
    n_items: int
    """Items with two ratings at least."""


def krippendorff_nominal(ratings: Sequence[Sequence[str | None]], *, seed: int = 0) -> Agreement:
    """Krippendorff's alpha of labels without order; one row of `ratings` an item, one column a rater."""
    names = sorted({label for row in ratings for label in row if label is not None})
    place = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(ratings), max(len(names), 1)))
    for item, row in enumerate(ratings):
        for label in row:
            if label is not None:
                counts[item, place[label]] += 1
    distance = 1.0 - np.eye(counts.shape[1])
    return _alpha(counts, distance, seed)


def krippendorff_interval(ratings: Sequence[Sequence[float | None]], *, seed: int = 0) -> Agreement:
    """Krippendorff's alpha of numbers, whose distance is the squared difference."""
    values = np.array(sorted({value for row in ratings for value in row if value is not None}))
    counts = np.zeros((len(ratings), max(len(values), 1)))
    for item, row in enumerate(ratings):
        for value in row:
            if value is not None:
                counts[item, np.searchsorted(values, value)] += 1
    distance = (values[:, None] - values[None, :]) ** 2 if len(values) else np.zeros((1, 1))
    return _alpha(counts, distance, seed)


def cohen_kappa(pairs: Sequence[tuple[str | None, str | None]], *, seed: int = 0) -> Agreement:
    """Cohen's kappa of two raters; items that one of them left out do not count."""
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    names = sorted({label for pair in both for label in pair})
    place = {name: number for number, name in enumerate(names)}
    codes = np.array([(place[a], place[b]) for a, b in both], dtype=np.int64).reshape(-1, 2)

    def kappa(weights: FloatArray) -> float:
        table = np.zeros((len(names), len(names)))
        np.add.at(table, (codes[:, 0], codes[:, 1]), weights)
        table /= max(table.sum(), 1.0)
        expected = float(table.sum(axis=1) @ table.sum(axis=0))
        return (float(np.trace(table)) - expected) / (1 - expected) if expected < 1 else np.nan

    return _with_interval(kappa, len(both), seed)


def _alpha(counts: FloatArray, distance: FloatArray, seed: int) -> Agreement:
    """Alpha from how many raters gave each value to each item."""
    counts = counts[counts.sum(axis=1) >= 2]
    n_ratings = counts.sum(axis=1)
    # disagreement inside each item, each pair of its ratings weighing 1 / (ratings - 1)
    inside = ((counts @ distance) * counts).sum(axis=1) / (n_ratings - 1)

    def alpha(weights: FloatArray) -> float:
        totals = weights @ counts
        n = totals.sum()
        expected = totals @ distance @ totals / (n - 1) if n > 1 else 0.0
        return 1 - float(weights @ inside / expected) if expected > 0 else np.nan

    return _with_interval(alpha, len(counts), seed)


def _with_interval(coefficient: _Coefficient, n_items: int, seed: int) -> Agreement:
    if not n_items:
        return Agreement(np.nan, np.nan, np.nan, 0)
    value = coefficient(np.ones(n_items))
    random = np.random.default_rng(seed)
    shares = np.full(n_items, 1 / n_items)
    drawn = np.array(
        [coefficient(random.multinomial(n_items, shares).astype(float)) for _ in range(RESAMPLES)]
    )
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(drawn):
        return Agreement(value, np.nan, np.nan, n_items)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Agreement(value, float(low), float(high), n_items)
