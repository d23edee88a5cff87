"""Does a stated confidence of 0.8 mean that 80 % of such answers are right?

In: samples with a stated confidence, and the truth. Out: expected calibration error and Brier score of
every arm, and the table behind a reliability plot. Answers without a confidence are counted, not guessed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.frames import IDENTITY, FloatArray, IntArray, Thresholds
from bench.analysis.grading import Grades, answered_codes

N_BINS = 10
"""Bins of equal width from 0 to 1; the last one holds 1."""


class Stated(NamedTuple):
    """Answers to items that state a confidence, a row each."""

    arm: IntArray
    article: IntArray
    confidence: FloatArray
    right: FloatArray
    """1 where its label is right, else 0."""
    weight: FloatArray
    """1 / number of such answers of the arm to the item: every item weighs 1."""


def stated(samples: pd.DataFrame, grades: Grades, thresholds: Thresholds) -> Stated:
    """The answers that can be held to their confidence: valid ones to an item, with one between 0 and 1."""
    arm = np.asarray(samples["arm"].cat.codes, dtype=np.int64)
    article = np.asarray(samples["article_id"].cat.codes, dtype=np.int64)
    confidence = samples["confidence"].to_numpy(dtype=float)
    right = answered_codes(samples, thresholds, grades.labels) == grades.truth[article]
    kept = samples["valid"].to_numpy(dtype=bool) & (grades.truth[article] >= 0)
    kept &= (confidence >= 0) & (confidence <= 1)
    place = arm[kept] * len(grades.articles) + article[kept]
    weight = 1.0 / np.bincount(place)[place] if len(place) else np.zeros(0)
    return Stated(arm[kept], article[kept], confidence[kept], right[kept].astype(np.float64), weight)


def calibration(found: Stated, n_arms: int, n_articles: int) -> pd.DataFrame:
    """ECE, Brier score and overconfidence of every arm.

    Unit: the item; its answers share its weight. ece = sum over bins of weight x |share right - mean
    confidence| (Naeini and others 2015), over 10 bins of equal width; sampling noise alone raises it, so it
    has no interval. brier = mean of (confidence - right)^2, overconfidence = mean of confidence - right,
    both with t intervals over items, cut at what is possible (0 or -1, and 1). Undefined without such an
    answer; intervals also where all items are alike. Checked against scikit-learn's `brier_score_loss` and a
    hand-worked example.
    """
    bins = _binned(found, n_arms)
    gap = np.abs(rows.divided(bins.right, bins.weight) - rows.divided(bins.confidence, bins.weight))
    items = bins.weight.sum(axis=1)
    table = pd.DataFrame(
        {
            "n_with_confidence": np.bincount(found.arm, minlength=n_arms),
            "n_items_with_confidence": items.round().astype(np.int64),
            "ece": rows.divided(np.nansum(gap * bins.weight, axis=1), items),
        }
    )
    values = {
        "brier": ((found.confidence - found.right) ** 2, 0.0),
        "overconfidence": (found.confidence - found.right, -1.0),
    }
    for name, (value, least) in values.items():
        means = item_means(found, value, n_arms, n_articles)
        table = table.assign(**mean_interval(name, means, least, 1.0))
    return table


def item_means(found: Stated, values: FloatArray, n_arms: int, n_articles: int) -> FloatArray:
    """Arm x article: the mean of `values`, one per answer in `found`; NaN where there is no such answer."""
    cells = np.full((n_arms, n_articles), np.nan)
    place = found.arm * n_articles + found.article
    sums = np.bincount(place, weights=values * found.weight, minlength=n_arms * n_articles)
    cells[found.arm, found.article] = sums.reshape(cells.shape)[found.arm, found.article]
    return cells


def mean_interval(
    name: str, values: FloatArray, least: float = -math.inf, most: float = math.inf
) -> dict[str, FloatArray]:
    """Mean over items and its 95 % t interval, as columns; no bounds where all items are alike.

    The interval is cut at `least` and `most`, beyond which no value can be.
    """
    n, mean = rows.count(values), rows.mean(values)
    se = rows.divided(rows.sd(values), np.sqrt(n))
    half = rows.t_quantile(0.975, n - 1) * np.where(se > 0, se, np.nan)
    low, high = np.maximum(mean - half, least), np.minimum(mean + half, most)
    return {name: mean, f"{name}_ci_low": low, f"{name}_ci_high": high}


class _Bins(NamedTuple):
    weight: FloatArray
    confidence: FloatArray
    right: FloatArray
    n: FloatArray


def _binned(found: Stated, n_arms: int) -> _Bins:
    """Weighted sums per arm x bin."""
    inside = np.minimum((np.round(found.confidence, 10) * N_BINS).astype(np.int64), N_BINS - 1)
    place = found.arm * N_BINS + inside

    def total(values: FloatArray) -> FloatArray:
        sums = np.bincount(place, weights=values, minlength=n_arms * N_BINS)
        return np.asarray(sums.reshape(n_arms, N_BINS), dtype=np.float64)

    weight = found.weight
    return _Bins(
        total(weight),
        total(weight * found.confidence),
        total(weight * found.right),
        total(np.ones(len(place))),
    )


def calibration_table(found: Stated, arms: pd.DataFrame) -> pd.DataFrame:
    """`calibration.csv`: arm x bin of the confidence, empty bins included: what a reliability plot shows."""
    bins = _binned(found, len(arms))
    edges = np.arange(N_BINS + 1) / N_BINS
    identity = arms[list(IDENTITY)].iloc[np.repeat(np.arange(len(arms)), N_BINS)].reset_index(drop=True)
    return identity.assign(
        bin_low=np.tile(edges[:-1], len(arms)),
        bin_high=np.tile(edges[1:], len(arms)),
        n_answers=bins.n.ravel().astype(np.int64),
        item_weight=bins.weight.ravel(),
        mean_confidence=rows.divided(bins.confidence, bins.weight).ravel(),
        share_right=rows.divided(bins.right, bins.weight).ravel(),
    )
