"""Which of two arms is right more often, and which answers turned from right to wrong and back?

In: `Grades` and the comparisons. Out: `quality_pairs.csv`, A minus B, paired by item. The gate's question
about it is `bench.analysis.questions.quality`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bench.analysis import rows
from bench.analysis.calibration import Stated, item_means
from bench.analysis.comparisons import Comparison
from bench.analysis.confusion import (
    FIGURES,
    SMALLEST,
    f1,
    interval,
    item_matrices,
    precision,
    recall,
    resampled,
    summed,
)
from bench.analysis.consistency import steadiness
from bench.analysis.correction import benjamini_hochberg, holm
from bench.analysis.frames import FloatArray, IntArray
from bench.analysis.grading import Grades
from bench.analysis.paired import paired_t, untestable_reason
from bench.analysis.quality import share_interval
from bench.analysis.signflip import signflip_p


def quality_pair_table(
    grades: Grades, comparisons: Sequence[Comparison], found: Stated | None = None
) -> pd.DataFrame:
    """`quality_pairs.csv`: one row per comparison, in the order of `pairs.csv`.

    Unit: the item, those that both arms answered. accuracy_difference is A minus B with a paired t interval,
    t-test and exact sign-flip p; the p-values are corrected within each kind. right_to_wrong is
    P(a random answer of B is right and one of A wrong), wrong_to_right the reverse, both from B, the
    baseline, to A; two answers of one arm would flip too where it is unsteady. n_right_to_wrong and
    n_wrong_to_right count items whose majority turned (more than half of the answers right), mcnemar_p is
    the exact test of these. Figures that are no means over items have the paired bootstrap of
    `bench.analysis.confusion`. garbage, always_right, pass_n, brier and overconfidence (of the answers that
    state a confidence, `found`), error (mean absolute) and bias: A minus B with a paired t interval.
    Undefined (NaN) as `paired_t`; `note` says why. Checked against hand-worked examples and R's formulas.
    """
    a, b = _places(grades, comparisons)
    table = pd.DataFrame(
        {name: [getattr(c, name) for c in comparisons] for name in ("kind", "arm_a", "arm_b")}, dtype=object
    )
    notes = [""] * len(comparisons)
    if grades.has_labels:
        difference = grades.right[a] - grades.right[b]
        notes = [text.replace("article", "item") for text in untestable_reason(difference)]
        parts = [
            _accuracy(grades, a, b, table["kind"]),
            _figures(grades, a, b),
            _further(grades, a, b, found),
        ]
        table = pd.concat([table, *parts], axis=1)
    if grades.has_scores:
        errors = grades.error_absolute[a] - grades.error_absolute[b]
        paired = paired_t(errors)
        named = {"n_articles": "n_scored_items", "mean_difference": "error_difference"}
        named |= {"ci_low": "error_ci_low", "ci_high": "error_ci_high", "p_value": "error_p"}
        bias = _difference("bias", grades.error, a, b)
        table = pd.concat([table, paired[list(named)].rename(columns=named), bias], axis=1)
    return table.assign(note=notes)


def _places(grades: Grades, comparisons: Sequence[Comparison]) -> tuple[IntArray, IntArray]:
    """The rows of A and of B."""
    a = [grades.arms.index(c.arm_a) for c in comparisons]
    b = [grades.arms.index(c.arm_b) for c in comparisons]
    return np.array(a, dtype=np.int64), np.array(b, dtype=np.int64)


def _difference(name: str, values: FloatArray, a: IntArray, b: IntArray) -> pd.DataFrame:
    """A minus B of a number per arm and item, with a paired t interval, as columns."""
    made = paired_t(values[a] - values[b])
    shown = {
        "mean_difference": f"{name}_difference",
        "ci_low": f"{name}_ci_low",
        "ci_high": f"{name}_ci_high",
    }
    return made[list(shown)].rename(columns=shown)


def _further(grades: Grades, a: IntArray, b: IntArray, found: Stated | None) -> pd.DataFrame:
    """Garbage, steadiness and calibration, paired by item."""
    garbage = np.where(grades.is_item, rows.divided(grades.answers[-1], grades.n_measured), np.nan)
    values = {"garbage": garbage, **steadiness(grades)}
    if found is not None:
        shape = len(grades.arms), len(grades.articles)
        values["brier"] = item_means(found, (found.confidence - found.right) ** 2, *shape)
        values["overconfidence"] = item_means(found, found.confidence - found.right, *shape)
    return pd.concat([_difference(name, value, a, b) for name, value in values.items()], axis=1)


def _accuracy(grades: Grades, a: IntArray, b: IntArray, kind: pd.Series) -> pd.DataFrame:
    right_a, right_b = grades.right[a], grades.right[b]
    both = ~np.isnan(right_a) & ~np.isnan(right_b)
    right_a, right_b = np.where(both, right_a, np.nan), np.where(both, right_b, np.nan)
    difference = right_a - right_b
    named = {"n_articles": "n_items", "mean_difference": "accuracy_difference", "se": "se", "t": "t",
             "ci_low": "ci_low", "ci_high": "ci_high", "ci90_low": "ci90_low", "ci90_high": "ci90_high",
             "p_value": "p_value"}  # fmt: skip
    made = paired_t(difference)[list(named)].rename(columns=named)
    made.insert(1, "accuracy_a", rows.mean(right_a))
    made.insert(2, "accuracy_b", rows.mean(right_b))
    made = made.assign(signflip_p=signflip_p(difference), p_holm=np.nan, p_bh=np.nan)
    for name in kind.unique():
        chosen = (kind == name).to_numpy()
        p = made["p_value"].to_numpy(dtype=float)[chosen]
        made.loc[chosen, "p_holm"], made.loc[chosen, "p_bh"] = holm(p), benjamini_hochberg(p)
    for name, flips in (
        ("right_to_wrong", right_b * (1 - right_a)),
        ("wrong_to_right", right_a * (1 - right_b)),
    ):
        low, high, _ = share_interval(flips)
        made = made.assign(**{name: rows.mean(flips), f"{name}_ci_low": low, f"{name}_ci_high": high})
    lost = (right_b > 0.5) & (right_a <= 0.5)
    won = (right_a > 0.5) & (right_b <= 0.5)
    n_lost, n_won = lost.sum(axis=1), won.sum(axis=1)
    return made.assign(n_right_to_wrong=n_lost, n_wrong_to_right=n_won, mcnemar_p=mcnemar_p(n_lost, n_won))


def mcnemar_p(n_lost: IntArray, n_won: IntArray) -> FloatArray:
    """Exact two-sided McNemar test: binomial with probability 1/2 on the items that turned; NaN if none."""
    return np.array(
        [
            float(stats.binomtest(int(k), int(k + m), 0.5).pvalue) if k + m else np.nan
            for k, m in zip(n_lost, n_won, strict=True)
        ],
        dtype=np.float64,
    )


def _figures(grades: Grades, a: IntArray, b: IntArray) -> pd.DataFrame:
    """Differences of balanced accuracy, macro F1 and Matthews correlation, paired by the items' weights."""
    names = [f"{name}_{part}" for name in FIGURES for part in ("difference", "ci_low", "ci_high")]
    made = []
    for row_a, row_b in zip(a.tolist(), b.tolist(), strict=True):
        of_a, of_b = item_matrices(grades, row_a), item_matrices(grades, row_b)
        common = ~np.isnan(of_a[:, 0, 0]) & ~np.isnan(of_b[:, 0, 0])
        of_a, of_b = of_a[common], of_b[common]
        whole, draws = (summed(of_a), summed(of_b)), (resampled(of_a), resampled(of_b))
        line = []
        for name, figure in FIGURES.items():
            value, widest = float(figure(whole[0]) - figure(whole[1])), 1 - SMALLEST.get(name, 0.0)
            spread = figure(draws[0]) - figure(draws[1])
            bounds = interval(spread, value, int(common.sum()), (-widest, widest))
            line += [value, bounds.low, bounds.high]
        made.append(line)
    return pd.DataFrame(made, columns=names, dtype=float)


def label_pair_table(grades: Grades, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """`quality_label_pairs.csv`: comparison x label: precision, recall and F1, A minus B.

    Unit: the item, those that both arms answered; intervals are the paired bootstrap's of
    `bench.analysis.confusion`. Undefined where one arm's figure is. Checked against a hand-worked example.
    """
    figures = {"precision": precision, "recall": recall, "f1": f1}
    a, b = _places(grades, comparisons)
    made = []
    for one, row_a, row_b in zip(comparisons, a.tolist(), b.tolist(), strict=True):
        of_a, of_b = item_matrices(grades, row_a), item_matrices(grades, row_b)
        common = ~np.isnan(of_a[:, 0, 0]) & ~np.isnan(of_b[:, 0, 0])
        of_a, of_b = of_a[common], of_b[common]
        draws, whole = (resampled(of_a), resampled(of_b)), (summed(of_a), summed(of_b))
        values = {name: figure(whole[0]) - figure(whole[1]) for name, figure in figures.items()}
        spread = {name: figure(draws[0]) - figure(draws[1]) for name, figure in figures.items()}
        for code, label in enumerate(grades.labels):
            line: dict[str, Any] = {"kind": one.kind, "arm_a": one.arm_a, "arm_b": one.arm_b, "label": label}
            line["n_items"] = round(float(whole[0][code].sum()))
            for name, of_label in values.items():
                value = float(of_label[code])
                bounds = interval(spread[name][:, code], value, int(common.sum()), (-1.0, 1.0))
                line |= {
                    f"{name}_difference": value,
                    f"{name}_ci_low": bounds.low,
                    f"{name}_ci_high": bounds.high,
                }
            made.append(line)
    return pd.DataFrame(made)
