"""Is the arm right? One row per arm against the labels and scores that are known.

In: samples, `Grades` and the arms. Out: `quality.csv`, joined from the modules that each answer one
question. Differences between arms are `bench.analysis.quality_pairs`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.bounded import mean_bounds
from bench.analysis.calibration import Stated, calibration
from bench.analysis.confusion import FIGURES, bounds, extremes, item_matrices, resampled, summed
from bench.analysis.consistency import consistency
from bench.analysis.frames import IDENTITY, FloatArray
from bench.analysis.grading import Grades
from bench.analysis.score_error import score_errors
from bench.analysis.validity import clopper_pearson


def quality_table(grades: Grades, found: Stated, arms: pd.DataFrame) -> pd.DataFrame:
    """`quality.csv`: one row per arm; columns of labels only where items have some, likewise of scores.

    Unit: the item. n_items are the items with a measured answer, n_answers these answers; garbage_rate is
    the mean over items of the share in no category, which counts as wrong everywhere here.
    """
    parts = [arms[list(IDENTITY)].reset_index(drop=True)]
    if grades.has_labels:
        parts += [accuracies(grades), matrix_figures(grades), consistency(grades)]
        parts.append(calibration(found, len(grades.arms), len(grades.articles)))
    if grades.has_scores:
        parts.append(score_errors(grades))
    return pd.concat(parts, axis=1).assign(note=_notes(grades))


def accuracies(grades: Grades) -> pd.DataFrame:
    """Accuracy of every arm: the mean over items of the share of right answers, with its interval.

    Unit: the item. Method, in accuracy_ci_method: `t` over items; `exact_items` (Clopper-Pearson on the
    number of items) where all items are alike, because t has no width there. accuracy_bounded_* are the
    bounds of `bench.analysis.bounded`, two-sided 95 %, which the gate takes one-sided: they cover 93 to 99 %
    at 20 to 300 items where t covers as little as 85 % (an accuracy of .95; `benchmarks/quality.py`).
    Undefined without an item; the intervals also with one. Checked against scikit-learn's `accuracy_score`
    with items as weights.
    """
    right = grades.right
    n, mean = rows.count(right), rows.mean(right)
    counts = np.where(grades.is_item, grades.n_measured, 0).sum(axis=1)
    garbage = np.where(grades.is_item, rows.divided(grades.answers[-1], grades.n_measured), np.nan)
    failed = np.where(grades.is_item, grades.n_failed, 0).sum(axis=1)
    low, high, method = share_interval(right)
    bounded = mean_bounds(right, 0.0, 1.0, 0.025)
    return pd.DataFrame(
        {
            "n_items": n,
            "n_answers": counts,
            "n_garbage": np.where(grades.is_item, grades.answers[-1], 0).sum(axis=1),
            "garbage_rate": rows.mean(garbage),
            "n_failed_measurements": failed,
            "accuracy": mean,
            "accuracy_ci_low": low,
            "accuracy_ci_high": high,
            "accuracy_ci_method": pd.Series(method, dtype=object),
            "accuracy_bounded_low": bounded.lower,
            "accuracy_bounded_high": bounded.upper,
        }
    )


def share_interval(values: FloatArray) -> tuple[FloatArray, FloatArray, list[str | None]]:
    """95 % interval of each row's mean share, cut at 0 and 1, and how it was made."""
    n, mean = rows.count(values), rows.mean(values)
    half = rows.t_quantile(0.975, n - 1) * rows.divided(rows.sd(values), np.sqrt(n))
    exact_low, exact_high = clopper_pearson(np.nan_to_num(mean, nan=0.0) * n, n, 0.025)
    alike = rows.constant(values) & (n >= 2)
    low = np.where(alike, exact_low, np.maximum(mean - half, 0.0))
    high = np.where(alike, exact_high, np.minimum(mean + half, 1.0))
    methods = [None if k < 2 else "exact_items" if same else "t" for k, same in zip(n, alike, strict=True)]
    return low, high, methods


def matrix_figures(grades: Grades) -> pd.DataFrame:
    """Balanced accuracy, macro F1 and Matthews correlation of every arm with bootstrap intervals.

    Unit: the item; see `bench.analysis.confusion`. Labels without items are left out of the means.
    Checked against scikit-learn.
    """
    made = []
    for row in range(len(grades.arms)):
        matrices = item_matrices(grades, row)
        n_items = int((~np.isnan(matrices[:, 0, 0])).sum())
        whole, found = summed(matrices), extremes(matrices, resampled(matrices))
        line: dict[str, float] = {}
        for name, figure in FIGURES.items():
            value = float(figure(whole))
            span = bounds(figure, found, value, n_items)
            line |= {name: value, f"{name}_ci_low": span.low, f"{name}_ci_high": span.high}
        made.append(line)
    return pd.DataFrame(made)


def _notes(grades: Grades) -> list[str]:
    """What is undefined and why, one text an arm."""
    of_run = []
    if grades.n_strange:
        of_run.append(f"{grades.n_strange} articles have a label that is none of the task's and are left out")
    if grades.has_labels:
        present = set(grades.truth[grades.is_item].tolist())
        empty = [label for code, label in enumerate(grades.labels) if code not in present]
        if empty:
            of_run.append(f"no item is {' or '.join(empty)}: left out of the means over labels")
        if len(present) == 1:
            of_run.append("all items have one label: Matthews correlation is undefined")
    silent = rows.count(grades.right) == 0
    return [
        "; ".join([*of_run, *(["no measured answer to an item with a label"] if none else [])])
        for none in silent & grades.has_labels
    ]
