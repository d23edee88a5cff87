"""What scores mean once they are read as labels: do two arms agree, and are they right?

In: counts of labels per cell, article means, and, where articles carry them, true labels and
reference scores. Out: flips, agreement beyond an arm's disagreement with itself, and accuracy.
Agreement between arms says nothing about correctness.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.cells import Grid
from bench.analysis.frames import IDENTITY, LABELS, FloatArray, IntArray, Thresholds, label_codes


def label_agreement(grid: Grid, a: IntArray, b: IntArray, thresholds: Thresholds) -> pd.DataFrame:
    """Labels of arms `a` against arms `b`, one row a comparison.

    Unit: the article. label_flips counts articles whose mean reads as another label, label_opposite
    those of them that went from positive to negative or back. cross_agreement = P(a random answer of
    A and one of B have the same label), articles with a valid answer in both; self_agreement_x = P(two
    different answers of x have the same label), articles with two in x and one in the other.
    excess_disagreement = (self_a + self_b) / 2 - cross over articles with two in both
    (`n_articles_labels`); excess_upper = mean + t_.95,G-1 sd / sqrt G.
    Undefined where there is no such article or there are no thresholds; excess_upper also with one
    article, or when all are equal.
    Checked against `labels` and `label_excess` of the reference values, 1e-9.
    """
    label_a = label_codes(grid.score_mean[a], thresholds)
    label_b = label_codes(grid.score_mean[b], thresholds)
    common = (label_a >= 0) & (label_b >= 0)
    counts_a, counts_b = grid.label_counts[:, a], grid.label_counts[:, b]
    n_a, n_b = counts_a.sum(axis=0), counts_b.sum(axis=0)
    cross = rows.divided((counts_a * counts_b).sum(axis=0), n_a * n_b)
    self_a, self_b = _self_agreement(counts_a, n_a), _self_agreement(counts_b, n_b)
    excess = excess_by_article(grid, a, b)
    n = rows.count(excess)
    se = rows.divided(rows.sd(excess), np.sqrt(n))
    any_common = common.any(axis=1)
    return pd.DataFrame(
        {
            "n_articles_labels": n,
            "label_flips": np.where(any_common, (common & (label_a != label_b)).sum(axis=1), np.nan),
            "label_opposite": np.where(
                any_common, (common & (np.abs(label_a - label_b) == 2)).sum(axis=1), np.nan
            ),
            "cross_agreement": rows.mean(cross),
            "self_agreement_a": rows.mean(np.where(n_b >= 1, self_a, np.nan)),
            "self_agreement_b": rows.mean(np.where(n_a >= 1, self_b, np.nan)),
            "excess_disagreement": rows.mean(excess),
            "excess_upper": rows.mean(excess) + rows.t_quantile(0.95, n - 1) * np.where(se > 0, se, np.nan),
        }
    )


def excess_by_article(grid: Grid, a: IntArray, b: IntArray) -> FloatArray:
    """(self_a + self_b) / 2 - cross of every article, comparison x article; NaN below two answers in either.

    Unbiased for half the summed squared difference of the two arms' shares of each label, so never below 0
    on average; of one article it may be.
    """
    counts_a, counts_b = grid.label_counts[:, a], grid.label_counts[:, b]
    n_a, n_b = counts_a.sum(axis=0), counts_b.sum(axis=0)
    cross = rows.divided((counts_a * counts_b).sum(axis=0), n_a * n_b)
    return (_self_agreement(counts_a, n_a) + _self_agreement(counts_b, n_b)) / 2 - cross


def shift_upper(grid: Grid, a: IntArray, b: IntArray, quantile: FloatArray) -> FloatArray:
    """The least excess disagreement that arms with these shares of labels can have, from above.

    Unit: the article. Excess disagreement is half the sum over labels of the mean squared difference of
    the two arms' shares, so at least half the sum of the squared mean difference. Returned is
    sum (|mean| + quantile x se)^2 / 2 over labels, where mean and se = sd / sqrt G are of the articles'
    differences: flips that are spread evenly show here long before two of them meet in one article.
    Undefined: fewer than two common articles. Checked by simulation (`benchmarks/gate.py`).
    """
    mean, se = _shifts(grid, a, b)
    return np.asarray(((np.abs(mean) + quantile * se) ** 2).sum(axis=0) / 2, dtype=np.float64)


def shift_p(grid: Grid, a: IntArray, b: IntArray, margin: float) -> FloatArray:
    """The one-sided p at which `shift_upper` meets `margin`; NaN where every article's differs alike."""
    mean, se = _shifts(grid, a, b)
    n = rows.count(grid.score_mean[a] - grid.score_mean[b])
    width, slope = (se**2).sum(axis=0), (np.abs(mean) * se).sum(axis=0)
    beyond = (mean**2).sum(axis=0) - 2 * margin
    quantile = rows.divided(np.sqrt(np.maximum(slope**2 - width * beyond, 0.0)) - slope, width)
    p = special.stdtr(np.maximum(n - 1, 1), -quantile)
    return np.where(width > 0, p, np.nan)


def _shifts(grid: Grid, a: IntArray, b: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard error over articles of the difference of each label's share; label x comparison."""
    of_a, of_b = grid.label_counts[:, a], grid.label_counts[:, b]
    d = rows.divided(of_a, of_a.sum(axis=0)) - rows.divided(of_b, of_b.sum(axis=0))
    return rows.mean(d), rows.divided(rows.sd(d), np.sqrt(rows.count(d)))


def agreement_table(grid: Grid) -> pd.DataFrame:
    """`agreement.csv`: how often answers of any two arms to one article read as the same label.

    Unit: the article; every ordered pair of arms. Two arms: mean over articles of P(a random answer of
    one and one of the other agree), as `cross_agreement` of pairs.csv. An arm with itself: P(two
    different answers agree), the most that another arm could be expected to reach. n counts the articles.
    Undefined (NaN) where n is 0. Checked against `labels` of the reference values, 1e-9.
    """
    n = grid.label_counts.sum(axis=0)
    share = np.nan_to_num(rows.divided(grid.label_counts, n), nan=0.0)
    answered = (n > 0).astype(np.float64)
    same = sum((of_label @ of_label.T for of_label in share), np.zeros((len(n), len(n))))
    common = answered @ answered.T
    own = _self_agreement(grid.label_counts, n)
    np.fill_diagonal(same, np.nansum(own, axis=1))
    np.fill_diagonal(common, rows.count(own))
    arms = np.asarray(grid.arms, dtype=object)
    return pd.DataFrame(
        {
            "arm_a": np.repeat(arms, len(arms)),
            "arm_b": np.tile(arms, len(arms)),
            "agreement": rows.divided(same, common).ravel(),
            "n": common.ravel().astype(np.int64),
        }
    )


def _self_agreement(counts: IntArray, n: IntArray) -> FloatArray:
    """Per cell: P(two different answers have the same label); NaN below two answers."""
    return rows.divided((counts * (counts - 1)).sum(axis=0), n * (n - 1))


def label_accuracy(
    grid: Grid, arms: pd.DataFrame, truth: pd.DataFrame, thresholds: Thresholds
) -> pd.DataFrame:
    """How often each arm's article mean reads as the article's label, and how far it is from its score.

    `truth` has article_id, label (None where unknown) and reference_score (NaN where unknown).
    Unit: the article; an article without any valid answer is counted in n_labelled and is wrong in
    label_accuracy_all, and is left out of label_accuracy and of mean_absolute_error.
    Undefined where no article carries a label (or score). Labels other than negative, neutral and
    positive do not count as labels. Checked against a hand-computed example.
    """
    known = truth.set_index("article_id").reindex(list(grid.articles))
    label = known["label"].map({name: code for code, name in enumerate(LABELS)})
    labelled = label.notna().to_numpy() & (thresholds is not None)
    wanted = label.fillna(-2).to_numpy(dtype=np.int64)
    answered = label_codes(grid.score_mean, thresholds)
    seen = grid.n_measured > 0
    right = (answered == wanted) & labelled
    judged = (answered >= 0) & labelled
    errors = np.abs(grid.score_mean - known["reference_score"].to_numpy(dtype=float))
    return arms[list(IDENTITY)].assign(
        n_labelled=(seen & labelled).sum(axis=1),
        n_answered=judged.sum(axis=1),
        label_accuracy=rows.divided(right.sum(axis=1), judged.sum(axis=1)),
        label_accuracy_all=rows.divided(right.sum(axis=1), (seen & labelled).sum(axis=1)),
        n_scored=rows.count(errors),
        mean_absolute_error=rows.mean(errors),
    )
