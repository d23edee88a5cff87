"""Which label was answered where which was right: the confusion matrix and what is read off it.

In: `Grades`. Out: item-weighted matrices, the figures on them with bootstrap intervals, `confusion.csv`
and `quality_labels.csv`. Every item weighs 1 and its answers share that, so repeats add no weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.frames import IDENTITY, FloatArray, IntArray
from bench.analysis.grading import GARBAGE, Grades

N_DRAWS = 2_000
SEED = 20_260_102
_CHUNK = 4_000_000

Figure = Callable[[FloatArray], FloatArray]
"""Reads a figure off matrices of shape (..., label, label + 1): one number per matrix."""


class Interval(NamedTuple):
    """95 % bounds; NaN where they are undefined."""

    low: float
    high: float


def item_matrices(grades: Grades, arm: int) -> FloatArray:
    """Item x label x (label + 1): each item's answers as shares, in the row of its right label.

    Items without a measured answer of this arm are NaN. Shape (0, ...) where no article has a label.
    """
    items = np.flatnonzero(grades.is_item)
    counts = grades.answers[:, arm, items].T.astype(np.float64)
    shares = rows.divided(counts, counts.sum(axis=1, keepdims=True))
    n_labels = len(grades.labels)
    matrices = np.zeros((len(items), n_labels, n_labels + 1))
    matrices[np.arange(len(items)), grades.truth[items]] = shares
    matrices[np.isnan(shares).any(axis=1)] = np.nan
    return matrices


def summed(matrices: FloatArray) -> FloatArray:
    """The matrix of all measured items together."""
    return np.asarray(np.nansum(matrices, axis=0), dtype=np.float64)


# ---------------------------------------------------------------- figures


def recall(matrix: FloatArray) -> FloatArray:
    """Per label: share of its items answered so; NaN for a label without items."""
    return rows.divided(_hits(matrix), matrix.sum(axis=-1))


def precision(matrix: FloatArray) -> FloatArray:
    """Per label: share of the answers with it that are right; NaN where it was never answered."""
    return rows.divided(_hits(matrix), matrix[..., :-1].sum(axis=-2))


def f1(matrix: FloatArray) -> FloatArray:
    """Per label: 2 hits / (items + answers); NaN for a label without items, 0 where it is never hit."""
    items, answered = matrix.sum(axis=-1), matrix[..., :-1].sum(axis=-2)
    return np.where(items > 0, rows.divided(2 * _hits(matrix), items + answered), np.nan)


def balanced_accuracy(matrix: FloatArray) -> FloatArray:
    """Mean recall of the labels that have items; `balanced_accuracy_score` of scikit-learn."""
    return rows.mean(recall(matrix))


def macro_f1(matrix: FloatArray) -> FloatArray:
    """Mean F1 of the labels that have items; `f1_score(labels=those, average="macro")`."""
    return rows.mean(f1(matrix))


def matthews(matrix: FloatArray) -> FloatArray:
    """Matthews correlation for several classes (Gorodkin 2004); garbage is one more that is never right.

    (c s - sum t_k p_k) / sqrt((s^2 - sum p_k^2)(s^2 - sum t_k^2)); NaN where all items have one label or
    all answers are the same (scikit-learn says 0 there).
    """
    total, hits = matrix.sum(axis=(-2, -1)), _hits(matrix).sum(axis=-1)
    wanted, answered = matrix.sum(axis=-1), matrix.sum(axis=-2)
    covariance = hits * total - (wanted * answered[..., :-1]).sum(axis=-1)
    spread = (total**2 - (answered**2).sum(axis=-1)) * (total**2 - (wanted**2).sum(axis=-1))
    near_zero = spread <= 1e-12 * total**4
    return rows.divided(covariance, np.sqrt(np.where(near_zero, 0.0, np.maximum(spread, 0.0))))


def _hits(matrix: FloatArray) -> FloatArray:
    return np.asarray(np.diagonal(matrix[..., :-1], axis1=-2, axis2=-1), dtype=np.float64)


FIGURES: dict[str, Figure] = {
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "matthews": matthews,
}
"""The figures of a whole arm that are no means over items."""
SMALLEST = {"matthews": -1.0}
"""The smallest value of a figure where that is not 0; the largest is 1."""


# ---------------------------------------------------------------- intervals


def resampled(matrices: FloatArray) -> FloatArray:
    """Draw x label x (label + 1): the summed matrix under random weights of the items.

    The Bayesian bootstrap (Rubin 1981) over items: their weights are uniform on the simplex, so no class
    ever loses all its items, as it would in a bootstrap that draws items with replacement. Fixed seed, so
    two arms with the same items are resampled alike and a difference of theirs is paired. No draws where
    there is no item: every interval read off them is then undefined.
    """
    n_items = len(matrices)
    # The size is written out: numpy cannot infer a -1 where no item was measured.
    flat = np.nan_to_num(matrices.reshape(n_items, math.prod(matrices.shape[1:])), nan=0.0)
    rng = np.random.default_rng(SEED)
    parts, left = [], N_DRAWS
    while left and n_items:
        n = min(left, max(_CHUNK // n_items, 1))
        parts.append(rng.standard_exponential((n, n_items)) @ flat)
        left -= n
    whole = np.concatenate(parts) if parts else np.zeros((0, flat.shape[1]))
    return whole.reshape(len(whole), *matrices.shape[1:])


class Extremes(NamedTuple):
    """Draws of `resampled` with one more item of each label, which stands for what was not seen."""

    wrong: FloatArray
    """That item was answered in no category."""
    right: FloatArray
    """That item was answered right."""


def extremes(matrices: FloatArray, draws: FloatArray) -> Extremes:
    """`draws` with a worst and with a best further item of each label that has items.

    A label with three items that are all right is not known to be right always: under uniform weights of
    the items that were seen it would be. The further item has a weight like theirs (`mean_bounds` does the
    same for a mean).
    """
    n_labels = matrices.shape[1]
    present = summed(matrices).sum(axis=-1) > 0
    more = np.random.default_rng(SEED + 1).standard_exponential((len(draws), n_labels)) * present
    wrong, right, label = draws.copy(), draws.copy(), np.arange(n_labels)
    wrong[:, label, -1] += more
    right[:, label, label] += more
    return Extremes(wrong, right)


def bounds(figure: Figure, found: Extremes, estimate: float, n_items: int) -> Interval:
    """95 % interval of a figure: the 2.5 % quantile of its worst draws, the 97.5 % quantile of its best.

    Undefined: fewer than two items, or a figure without a value. It errs on the wide side: 97 to 100 % at 30
    to 300 items, where `interval` covers 80 to 97 % of balanced accuracies (`benchmarks/quality.py`).
    """
    worst, best = (of[~np.isnan(of)] for of in (figure(found.wrong), figure(found.right)))
    if n_items < 2 or np.isnan(estimate) or not len(worst) or not len(best):
        return Interval(float("nan"), float("nan"))
    return Interval(round(float(np.quantile(worst, 0.025)), 12), round(float(np.quantile(best, 0.975)), 12))


def interval(
    draws: FloatArray, estimate: float, n_items: int, limits: tuple[float, float] = (0.0, 1.0)
) -> Interval:
    """95 % percentile interval of bootstrap draws, widened for few items and cut at the figure's `limits`.

    The draws' distance from their median is stretched by t_.975,n-1 / z_.975 x sqrt((n + 1) / (n - 1)):
    uniform weights vary by a factor (n - 1) / (n + 1) too little, and a spread estimated from n items is
    Student's. Undefined: fewer than two items, or no spread at all. Coverage: `benchmarks/quality.py`.
    """
    kept = draws[~np.isnan(draws)]
    if n_items < 2 or not len(kept) or np.ptp(np.round(kept, 12)) == 0 or np.isnan(estimate):
        return Interval(float("nan"), float("nan"))
    stretch = float(rows.t_quantile(0.975, n_items - 1)) / 1.959964 * np.sqrt((n_items + 1) / (n_items - 1))
    low, middle, high = np.quantile(kept, [0.025, 0.5, 0.975])
    ends = [float(middle + stretch * (bound - middle)) for bound in (low, high)]
    return Interval(*(round(min(max(end, limits[0]), limits[1]), 12) for end in ends))


# ---------------------------------------------------------------- tables


def confusion_table(grades: Grades, arms: pd.DataFrame) -> pd.DataFrame:
    """`confusion.csv`: arm x right label x answered label, zeros included, garbage last.

    n counts answers; share is the mean over the label's items of the share of their answers (so a row adds
    up to 1), NaN for a label without measured items. n_items are those of the right label.
    """
    n_labels = len(grades.labels)
    answered = [*grades.labels, GARBAGE]
    parts = []
    for row in range(len(arms)):
        matrix = summed(item_matrices(grades, row))
        counts = _answer_counts(grades, row)
        parts.append(
            pd.DataFrame(
                {
                    "label": np.repeat(np.array(grades.labels, dtype=object), n_labels + 1),
                    "answered": np.array(answered * n_labels, dtype=object),
                    "n": counts.ravel(),
                    "n_items": np.repeat(matrix.sum(axis=1).round().astype(np.int64), n_labels + 1),
                    "share": rows.divided(matrix, matrix.sum(axis=1, keepdims=True)).ravel(),
                }
            ).assign(**{name: arms.iloc[row][name] for name in IDENTITY})
        )
    whole = pd.concat(parts, ignore_index=True)
    return whole[[*IDENTITY, "label", "answered", "n", "n_items", "share"]]


def _answer_counts(grades: Grades, arm: int) -> IntArray:
    """Right label x answered label: numbers of answers."""
    counts = [grades.answers[:, arm, grades.truth == code].sum(axis=1) for code in range(len(grades.labels))]
    return np.array(counts, dtype=np.int64)


def label_table(grades: Grades, arms: pd.DataFrame) -> pd.DataFrame:
    """`quality_labels.csv`: arm x label with precision, recall and F1, and garbage, which is answered only.

    Unit: the item. n_items (the support) and n_answers are of the right label; answered_share is how much of
    all items was answered so. recall has the interval of a mean over items, precision and F1 the
    bootstrap's. Undefined as `precision`, `recall`, `f1`.
    Checked against scikit-learn's `precision_recall_fscore_support` with items as weights.
    """
    made = []
    for row in range(len(arms)):
        matrices = item_matrices(grades, row)
        matrix, draws = summed(matrices), resampled(matrices)
        figures = {"precision": precision, "recall": recall, "f1": f1}
        values = {name: figure(matrix) for name, figure in figures.items()}
        spread = {name: figure(draws) for name, figure in figures.items()}
        counts = _answer_counts(grades, row).sum(axis=1)
        n_measured = int((~np.isnan(matrices[:, 0, 0])).sum()) if len(matrices) else 0
        for code, label in enumerate(grades.labels):
            line = {name: arms.iloc[row][name] for name in IDENTITY}
            line |= {
                "label": label,
                "n_items": round(float(matrix[code].sum())),
                "n_answers": int(counts[code]),
                "answered_share": float(matrix[:, code].sum() / n_measured) if n_measured else np.nan,
            }
            for name, of_label in values.items():
                bounds = interval(spread[name][:, code], float(of_label[code]), n_measured)
                line |= {
                    name: float(of_label[code]),
                    f"{name}_ci_low": bounds.low,
                    f"{name}_ci_high": bounds.high,
                }
            made.append(line)
        made.append(
            {name: arms.iloc[row][name] for name in IDENTITY}
            | {"label": GARBAGE, "n_items": 0, "n_answers": 0}
            | {"answered_share": float(matrix[:, -1].sum() / n_measured) if n_measured else np.nan}
        )
    return pd.DataFrame(made)
