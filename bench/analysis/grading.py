"""What each arm answered to each item that has a right answer: the counts all of quality is made from.

In: samples (one row per answer) and what is known to be right. Out: `Grades`. An answer that was measured
and is in no category (not valid, or no label of the task's) is `garbage`: a class of its own, and wrong. A
failed measurement is in no count here. Nothing is averaged or tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.frames import LABEL, LABELS, BoolArray, FloatArray, IntArray, Thresholds, label_codes
from bench.records import FAILED_MEASUREMENTS

GARBAGE = "garbage"
"""The class of answers that are in no category."""


@dataclass(frozen=True)
class Grades:
    """Answers held against the truth, arm x article; an item is an article with a right answer."""

    arms: tuple[str, ...]
    articles: tuple[str, ...]
    labels: tuple[str, ...]
    """The classes, in the task's order."""
    truth: IntArray
    """Per article: code of the right label; -1 where it is not known or no label of the task's."""
    n_strange: int
    """Articles whose label is none of the task's: no answer could be right, so they are left out."""
    answers: IntArray
    """(label + 1) x arm x article: measured answers read as that label; the last is garbage."""
    n_failed: IntArray
    """Arm x article: failed measurements."""
    reference: FloatArray
    """Per article: the right score; NaN where it is not known."""
    score_mean: FloatArray
    """Arm x article: mean score of the valid answers."""
    error: FloatArray
    """Arm x article: mean of score - reference over valid answers; NaN without either."""
    error_absolute: FloatArray
    """The same of its absolute value."""
    error_squared: FloatArray
    """The same of its square."""

    @property
    def is_item(self) -> BoolArray:
        """Articles with a right label."""
        return self.truth >= 0

    @property
    def has_labels(self) -> bool:
        """Whether any article has a right label."""
        return bool(self.is_item.any())

    @property
    def has_scores(self) -> bool:
        """Whether any article has a right score."""
        return bool((~np.isnan(self.reference)).any())

    @property
    def n_measured(self) -> IntArray:
        """Arm x article: measured answers."""
        return np.asarray(self.answers.sum(axis=0), dtype=np.int64)

    @property
    def n_right(self) -> IntArray:
        """Arm x article: right answers; 0 where there is no right label."""
        articles = np.arange(len(self.articles))
        counts = self.answers[np.maximum(self.truth, 0), :, articles].T
        return np.where(self.is_item, counts, 0)

    @property
    def right(self) -> FloatArray:
        """Arm x article: the share of right answers, NaN where there is no right label or no answer."""
        return np.where(self.is_item, rows.divided(self.n_right, self.n_measured), np.nan)


def grade(
    samples: pd.DataFrame, truth: pd.DataFrame, thresholds: Thresholds, labels: Sequence[str] = ()
) -> Grades:
    """Hold `samples` (as `frames.prepared` returns it) against `truth` (article_id, label, reference_score).

    `labels` are the classes; without any, those that `thresholds` make of a score. An answer's label is the
    samples' column `label` where they have it, else what the thresholds make of its score.
    Unit: the cell. Checked against hand-counted examples.
    """
    classes = tuple(labels) or (LABELS if thresholds is not None else ())
    arms, articles = tuple(samples["arm"].cat.categories), tuple(samples["article_id"].cat.categories)
    shape = (len(arms), len(articles))
    place = samples["arm"].cat.codes.to_numpy(dtype=np.int64) * shape[1]
    place = place + samples["article_id"].cat.codes.to_numpy(dtype=np.int64)
    failed = samples["outcome"].isin([outcome.value for outcome in FAILED_MEASUREMENTS]).to_numpy(dtype=bool)
    codes = answered_codes(samples, thresholds, classes)
    known = truth.set_index("article_id").reindex(list(articles))
    named = known["label"].notna().to_numpy()
    places = {label: code for code, label in enumerate(classes)}
    wanted: IntArray = np.asarray(known["label"].map(places).fillna(-1), dtype=np.int64)
    reference = known["reference_score"].to_numpy(dtype=float)
    scores = np.where(samples["valid"].to_numpy(dtype=bool), samples["score"].to_numpy(dtype=float), np.nan)
    errors = scores - reference[place % shape[1]]

    def counted(chosen: BoolArray) -> IntArray:
        return np.bincount(place[chosen], minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)

    def averaged(values: FloatArray) -> FloatArray:
        there = ~np.isnan(values)
        sums = np.bincount(place[there], weights=values[there], minlength=shape[0] * shape[1])
        return rows.divided(sums.reshape(shape), counted(there))

    measured_codes = [*range(len(classes)), len(classes)]
    return Grades(
        arms=arms,
        articles=articles,
        labels=classes,
        truth=wanted,
        n_strange=int((named & (wanted < 0)).sum()) if classes else 0,
        answers=np.stack([counted(~failed & (codes == code)) for code in measured_codes]),
        n_failed=counted(failed),
        reference=reference,
        score_mean=averaged(scores),
        error=averaged(errors),
        error_absolute=averaged(np.abs(errors)),
        error_squared=averaged(errors**2),
    )


def answered_codes(samples: pd.DataFrame, thresholds: Thresholds, labels: Sequence[str]) -> IntArray:
    """The class of every answer: its place in `labels`, or `len(labels)` for garbage."""
    valid = samples["valid"].to_numpy(dtype=bool)
    if LABEL in samples.columns:
        places = {label: code for code, label in enumerate(labels)}
        codes = np.asarray(samples[LABEL].astype(object).map(places).fillna(-1), dtype=np.int64)
    else:
        codes = label_codes(samples["score"].to_numpy(dtype=float), thresholds)
    return np.where(valid & (codes >= 0), codes, len(labels))
