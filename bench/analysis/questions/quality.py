"""Is it right as often as the baseline?

In: `Grades`: answers held against labels, or scores against reference scores. Out: the paired drop of
accuracy (or the paired rise of the mean absolute error where only scores are known) against a margin, and
the arm's own accuracy against a floor.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.bounded import mean_bounds, share_above
from bench.analysis.frames import BoolArray, FloatArray, IntArray
from bench.analysis.grading import Grades
from bench.analysis.questions import (
    MOST_UNANSWERED,
    TAIL,
    Evidence,
    answers,
    articles_for_bound,
    settle_words,
    undecided,
)
from bench.analysis.skewed import p_at, upper_bound

ORDER = -2
ASKS = "Is it right as often as the baseline?"
UNIT = "rate"
COMPARES_SCORES = False
UNLABELLED = "no article has a label or a reference score"


def applies(evidence: Evidence) -> bool:
    """Only where something is known to be right."""
    grades = evidence.grades
    return grades is not None and (grades.has_labels or grades.has_scores)


def judge(evidence: Evidence) -> pd.DataFrame:
    """Drop of accuracy, baseline minus arm, against `quality_drop`; own accuracy against `accuracy_floor`.

    Unit: the item, those both arms answered; garbage is wrong. The bounds of the drop are those of
    `bench.analysis.bounded` for values from -1 to 1: where no item flipped, what n items cannot have shown
    remains (149 items are needed for 2 points), and they are Student's where many differ. Passes:
    upper <= quality_drop and, where a floor is set, the lower bound of the own accuracy >= it. Fails:
    lower > quality_drop or the upper bound of the accuracy < the floor. Where only reference scores are
    known, the rise of the mean absolute error against `quality_drop` x half the score range, with the
    larger of Student's and Hall's bounds, and 80 % of those items must be answered by both arms; the floor
    is then not asked. Undefined: fewer than two such items. p is the larger of the tests'.
    Checked by simulation (`benchmarks/quality.py`): arms at the margin pass in at most 5 %.
    """
    grades = evidence.grades
    if grades is None:  # `applies` said so already
        return undecided(evidence, UNLABELLED, UNIT, applies=False)
    return against(evidence, grades, "the baseline", evidence.margins.accuracy_floor)


def against(evidence: Evidence, grades: Grades, other: str, floor: float | None = None) -> pd.DataFrame:
    """`judge` for the arms `a` against `b`, which `other` names; `floor` is asked of the arms `a`."""
    if grades.has_labels:
        return _by_labels(evidence, grades, other, floor)
    return _by_scores(evidence, grades, other)


def alone(evidence: Evidence) -> pd.DataFrame | None:
    """The arm's own accuracy against `accuracy_floor`; None without a floor or without labels."""
    grades, floor = evidence.grades, evidence.margins.accuracy_floor
    if grades is None or floor is None or not grades.has_labels:
        return None
    right = grades.right[evidence.a]
    n, own = rows.count(right), mean_bounds(right, 0.0, 1.0, TAIL)
    passes, fails = own.lower >= floor, own.upper < floor
    said = [
        f"{_points(m)} of the answers are right ({_points(low)} to {_points(high)}); {floor:.0%} are asked"
        if k >= 2
        else "fewer than two items were answered"
        for m, low, high, k in zip(rows.mean(right), own.lower, own.upper, n, strict=True)
    ]
    return answers(
        estimate=rows.mean(right),
        lower=own.lower,
        upper=own.upper,
        margin=floor,
        passes=passes,
        fails=fails,
        testable=n >= 2,
        p_value=_floor_p(right, floor),
        reason=said,
    )


def _by_labels(evidence: Evidence, grades: Grades, other: str, floor: float | None) -> pd.DataFrame:
    margin = evidence.margins.quality_drop
    right_a, right_b = grades.right[evidence.a], grades.right[evidence.b]
    drops = right_b - right_a
    absent = np.isnan(drops)
    mean_a, mean_b = (rows.mean(np.where(absent, np.nan, right)) for right in (right_a, right_b))
    n, mean = rows.count(drops), rows.mean(drops)
    bounds = mean_bounds(drops, -1.0, 1.0, TAIL)
    own = mean_bounds(right_a if floor is not None else right_a[:, :0], 0.0, 1.0, TAIL)
    met, missed = _floor_words(own.lower, own.upper, floor)
    passes, fails = (bounds.upper <= margin) & met, (bounds.lower > margin) | missed
    p_value = share_above(drops, 1.0, margin)
    if floor is not None:
        p_value = np.maximum(p_value, _floor_p(right_a, floor))
    needed = _items_needed(evidence, mean, bounds.upper, margin, n)
    said = []
    for i in range(len(n)):
        text = f"right in {_points(mean_a[i])}, {other} in {_points(mean_b[i])}"
        text += f"; drop at most {100 * bounds.upper[i]:z.1f} points"
        if n[i] < 2:
            text = "fewer than two items with a label were answered by both arms"
        elif floor is not None and missed[i]:
            text += f"; at most {_points(own.upper[i])} are right, {floor:.0%} are asked"
        elif floor is not None and not met[i] and not fails[i]:
            text += f"; only {_points(own.lower[i])} are surely right, {floor:.0%} are asked"
        elif not passes[i] and not fails[i]:
            text += settle_words(needed[i], float("nan"))
        said.append(text)
    return answers(
        estimate=mean,
        lower=bounds.lower,
        upper=bounds.upper,
        margin=margin,
        passes=passes,
        fails=fails,
        testable=n >= 2,
        p_value=p_value,
        reason=said,
        n_articles_needed=needed,
    )


def _by_scores(evidence: Evidence, grades: Grades, other: str) -> pd.DataFrame:
    margin = evidence.margins.quality_drop * evidence.scale
    error_a, error_b = grades.error_absolute[evidence.a], grades.error_absolute[evidence.b]
    rise = error_a - error_b
    absent = np.isnan(rise)
    mean_a, mean_b = (rows.mean(np.where(absent, np.nan, error)) for error in (error_a, error_b))
    n, mean = rows.count(rise), rows.mean(rise)
    upper, lower = upper_bound(rise, TAIL), -upper_bound(-rise, TAIL)
    share = rows.divided(n, (~np.isnan(grades.reference)).sum())
    few = share < 1 - MOST_UNANSWERED - 1e-9
    high, low = np.round(upper, rows.DECIMALS), np.round(lower, rows.DECIMALS)
    passes, fails = (high <= margin) & ~few, (low > margin) & ~few
    needed = np.where(few, np.nan, articles_for_bound(evidence, mean, rows.sd(rise), margin, n))
    said = []
    for i in range(len(n)):
        text = f"off by {mean_a[i]:.3f}, {other} by {mean_b[i]:.3f}"
        text += f"; rise at most {upper[i]:z.3f}"
        if n[i] < 2:
            text = "fewer than two items with a reference score were answered by both arms"
        elif few[i]:
            text = f"only {share[i]:.0%} of the reference scores were answered by both arms; 80 % are needed"
        elif not passes[i] and not fails[i]:
            text += settle_words(needed[i], float("nan"))
        said.append(text)
    made = answers(
        estimate=mean,
        lower=lower,
        upper=upper,
        margin=margin,
        passes=passes,
        fails=fails,
        testable=n >= 2,
        p_value=np.where(rows.constant(rise), np.nan, np.where(few, 1.0, p_at(rise, margin))),
        reason=said,
        n_articles_needed=needed,
    )
    return made.assign(unit="score")


def _floor_words(lower: FloatArray, upper: FloatArray, floor: float | None) -> tuple[BoolArray, BoolArray]:
    """Whether the floor is met, and whether it is missed for sure; met where none is set."""
    if floor is None:
        return np.ones(len(lower), dtype=bool), np.zeros(len(lower), dtype=bool)
    return lower >= floor, upper < floor


def _floor_p(right: FloatArray, floor: float) -> FloatArray:
    """One-sided p that the accuracy is `floor` or less."""
    return share_above(1 - right, 1.0, 1 - floor)


def _items_needed(
    evidence: Evidence, mean: FloatArray, upper: FloatArray, margin: float, n: IntArray
) -> FloatArray:
    """About how many items would bring the bound to the margin: its distance shrinks as 1 / sqrt n where
    items differ, and as 1 / n where none does."""
    needed = np.full(len(mean), np.nan)
    if not evidence.planning:
        return needed
    for i in np.flatnonzero((mean < margin) & (n >= 2) & (upper > margin)):
        wide = (upper[i] - mean[i]) / (margin - mean[i])
        flipped = upper[i] - mean[i] > 1.3 * 3 / n[i]
        # with no flip at all 1 - 0.05^(1/n) must be below the margin
        least = math.log(TAIL) / math.log1p(-margin)
        needed[i] = math.ceil(max(n[i] * (wide**2 if flipped else wide), least))
    return np.where(needed <= 10_000, needed, np.nan)


def _points(share: float) -> str:
    return f"{100 * share:.1f} %"
