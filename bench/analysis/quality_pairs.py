"""Which of two arms is right more often, and which answers turned from right to wrong and back?

In: `Grades` and the comparisons. Out: `quality_pairs.csv`, A minus B, paired by item. The gate's question
about it is `bench.analysis.questions.quality`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from bench.analysis import rows
from bench.analysis.comparisons import Comparison
from bench.analysis.confusion import FIGURES, SMALLEST, interval, item_matrices, resampled, summed
from bench.analysis.correction import benjamini_hochberg, holm
from bench.analysis.frames import FloatArray, IntArray
from bench.analysis.grading import Grades
from bench.analysis.paired import paired_t, untestable_reason
from bench.analysis.quality import share_interval
from bench.analysis.signflip import signflip_p


def quality_pair_table(grades: Grades, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """`quality_pairs.csv`: one row per comparison, in the order of `pairs.csv`.

    Unit: the item, those that both arms answered. accuracy_difference is A minus B with a paired t interval,
    t-test and exact sign-flip p; the p-values are corrected within each kind. right_to_wrong is
    P(a random answer of B is right and one of A wrong), wrong_to_right the reverse, both from B, the
    baseline, to A; two answers of one arm would flip too where it is unsteady. n_right_to_wrong and
    n_wrong_to_right count items whose majority turned (more than half of the answers right), mcnemar_p is
    the exact test of these. Figures that are no means over items have the paired bootstrap of
    `bench.analysis.confusion`. error_difference: mean absolute error, A minus B, with a paired t interval.
    Undefined (NaN) as `paired_t`; `note` says why. Checked against hand-worked examples and R's formulas.
    """
    a = np.array([grades.arms.index(c.arm_a) for c in comparisons], dtype=np.int64)
    b = np.array([grades.arms.index(c.arm_b) for c in comparisons], dtype=np.int64)
    table = pd.DataFrame(
        {name: [getattr(c, name) for c in comparisons] for name in ("kind", "arm_a", "arm_b")}, dtype=object
    )
    notes = [""] * len(comparisons)
    if grades.has_labels:
        difference = grades.right[a] - grades.right[b]
        notes = [text.replace("article", "item") for text in untestable_reason(difference)]
        table = pd.concat([table, _accuracy(grades, a, b, table["kind"]), _figures(grades, a, b)], axis=1)
    if grades.has_scores:
        errors = grades.error_absolute[a] - grades.error_absolute[b]
        found = paired_t(errors)
        named = {"n_articles": "n_scored_items", "mean_difference": "error_difference"}
        named |= {"ci_low": "error_ci_low", "ci_high": "error_ci_high", "p_value": "error_p"}
        table = pd.concat([table, found[list(named)].rename(columns=named)], axis=1)
    return table.assign(note=notes)


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
