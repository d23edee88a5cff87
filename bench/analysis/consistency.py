"""Does an arm answer an item rightly every time, sometimes or never?

In: right and measured answers per cell. Out: shares of items, the majority vote, and pass^k. The accuracy
of single answers is `bench.analysis.quality`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.frames import IDENTITY, FloatArray, IntArray
from bench.analysis.grading import Grades


def consistency(grades: Grades) -> pd.DataFrame:
    """Shares of items that are always, never or sometimes right, one row per arm.

    Unit: the item, those with two measured answers or more. majority_accuracy: the label with the most
    answers is right (garbage is an answer too; where k labels tie and one of them is right, it counts 1 / k,
    as drawing among them would), all items with an answer. pass_n = P(as many answers as the run has
    iterations are all right), see `pass_power`. Undefined without such an item.
    Checked against a hand-worked example.
    """
    n, right = grades.n_measured, grades.n_right
    repeated = grades.is_item & (n >= 2)
    items = repeated.sum(axis=1)
    iterations = int(n.max(initial=0))
    return pd.DataFrame(
        {
            "n_items_repeated": items,
            "always_right": rows.divided((repeated & (right == n)).sum(axis=1), items),
            "never_right": rows.divided((repeated & (right == 0)).sum(axis=1), items),
            "unstable": rows.divided((repeated & (right > 0) & (right < n)).sum(axis=1), items),
            "majority_accuracy": rows.mean(majority_right(grades)),
            "pass_n": rows.mean(pass_power(right, np.where(grades.is_item, n, 0), iterations)),
            "pass_n_of": np.full(len(n), iterations),
        }
    )


def steadiness(grades: Grades) -> dict[str, FloatArray]:
    """Arm x article: whether all answers are right, and pass^n with n = the run's iterations; NaN where there
    are fewer than two answers, or than n."""
    n, right = grades.n_measured, grades.n_right
    always = np.where(grades.is_item & (n >= 2), (right == n).astype(np.float64), np.nan)
    items = np.where(grades.is_item, n, 0)
    return {"always_right": always, "pass_n": pass_power(right, items, int(n.max(initial=0)))}


def majority_right(grades: Grades) -> FloatArray:
    """Arm x article: whether the commonest answer is right, 1 / k where k tie; NaN as `Grades.right`."""
    most = grades.answers.max(axis=0)
    n_tied = (grades.answers == most).sum(axis=0)
    value = np.where((grades.n_right == most) & (most > 0), 1 / n_tied, 0.0)
    return np.where(np.isnan(grades.right), np.nan, value)


def pass_power(right: IntArray, n: IntArray, k: int) -> FloatArray:
    """pass^k of every cell: the chance that k of its answers, drawn without putting back, are all right.

    C(right, k) / C(n, k), which is unbiased for P(k fresh answers are all right) (Yao and others 2024,
    tau-bench). NaN where a cell has fewer than k answers.
    """
    enough = (n >= k) & (k >= 1)
    safe = np.where(enough, n, max(k, 1))
    return np.where(enough, special.binom(right, k) / special.binom(safe, k), np.nan)


def pass_table(grades: Grades, arms: pd.DataFrame) -> pd.DataFrame:
    """`consistency.csv`: arm x k with pass^k, its interval over items, and how many items have k answers.

    Unit: the item; mean and t interval, without bounds where all items are alike.
    """
    n = np.where(grades.is_item, grades.n_measured, 0)
    parts = []
    for k in range(1, int(n.max(initial=0)) + 1):
        values = pass_power(grades.n_right, n, k)
        count, se = rows.count(values), rows.divided(rows.sd(values), np.sqrt(rows.count(values)))
        half = rows.t_quantile(0.975, count - 1) * np.where(se > 0, se, np.nan)
        mean = rows.mean(values)
        parts.append(
            arms[list(IDENTITY)].assign(
                k=k,
                n_items=count,
                pass_power_k=mean,
                ci_low=np.maximum(mean - half, 0.0),
                ci_high=np.minimum(mean + half, 1.0),
            )
        )
    if not parts:
        return pd.DataFrame(columns=[*IDENTITY, "k", "n_items", "pass_power_k", "ci_low", "ci_high"])
    whole = pd.concat(parts)
    order = whole["arm"].map({arm: place for place, arm in enumerate(arms["arm"])}).to_numpy()
    return whole.iloc[np.lexsort((whole["k"].to_numpy(), order))].reset_index(drop=True)
