"""All tables of one run.

In: the frames of `bench.analysis.frames` and the comparisons. Out: a dictionary of tables, named as the
files in `reports/<run_id>/tables/`. It reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.analysis.arms import arm_table
from bench.analysis.calibration import calibration_table, stated
from bench.analysis.cells import build_grid, cell_table
from bench.analysis.comparisons import Comparison, baseline_arms, make_comparisons
from bench.analysis.confusion import confusion_table, label_table
from bench.analysis.consistency import pass_table
from bench.analysis.drift import drift_table
from bench.analysis.frames import Thresholds, prepared
from bench.analysis.grading import grade
from bench.analysis.groups import anova_table, variance_table
from bench.analysis.interaction import interaction_table
from bench.analysis.labels import agreement_table, label_accuracy
from bench.analysis.naive import pooled_moments
from bench.analysis.outcomes import failure_table, iteration_table
from bench.analysis.pairs import pair_table
from bench.analysis.prompt_styles import style_pairs, style_table
from bench.analysis.quality import quality_table
from bench.analysis.quality_pairs import label_pair_table, quality_pair_table
from bench.analysis.slices import measures, slice_table
from bench.records import Outcome

DEFAULT_THRESHOLDS = (-0.05, 0.05)
DEFAULT_MARGIN = 0.05


def build_tables(
    samples: pd.DataFrame,
    arms: pd.DataFrame,
    comparisons: Sequence[tuple[str, str]] = (),
    baseline: str | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    *,
    margin: float = DEFAULT_MARGIN,
    limits: tuple[float, float] | None = (-1.0, 1.0),
    timings: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
    articles: Sequence[str] | None = None,
    labels: Sequence[str] = (),
    attributes: pd.DataFrame | None = None,
) -> dict[str, pd.DataFrame]:
    """Every table of a run: cells, arms, pairs, drift, agreement, anova, interaction, variance, failures,
    iterations, those of quality where `truth` (article_id, label, reference_score) knows any label or
    score, and prompt_styles where arms differ in theirs.

    `comparisons` are pairs of arm ids (A, B); `baseline` a quant or an arm id; `thresholds` turn a score
    into a label; `margin` is the shift of the mean that does not matter and `limits` the score's range;
    `timings` are rows like `samples` whose seconds count (default: `samples` itself); `articles` gives
    the order of the articles; `labels` are the classes of a task whose answers are labels; `attributes` has
    a row per article with what tells them apart (`bench.analysis.slices`). Unit of analysis, formulas and
    checks: at the functions called here. ValueError for frames that are not as `bench.analysis.frames` says.
    """
    arms = arms.reset_index(drop=True)
    samples = prepared(samples, arms, articles)
    timed = (
        samples if timings is None else prepared(timings, arms, list(samples["article_id"].cat.categories))
    )
    grid = build_grid(samples, timed, thresholds)
    pairs = make_comparisons(arms, comparisons, baseline)
    made = pair_table(grid, pooled_moments(samples), pairs, thresholds, margin)
    a, b = made["arm_a"].map(grid.row).to_numpy(dtype=int), made["arm_b"].map(grid.row).to_numpy(dtype=int)
    tables = {
        "cells": cell_table(grid, arms),
        "arms": arm_table(samples, timed, grid, arms, limits),
        "pairs": made,
        "drift": drift_table(grid, a, b, thresholds),
        "agreement": agreement_table(grid),
        "anova": anova_table(samples, grid, arms),
        "interaction": interaction_table(grid, arms),
        "variance": variance_table(grid, arms),
        "failures": failure_table(samples, arms, [outcome.value for outcome in Outcome]),
        "iterations": iteration_table(samples, timed, arms),
    }
    if truth is not None and not truth[["label", "reference_score"]].notna().any(axis=None):
        truth = None
    if truth is not None:
        tables["accuracy"] = label_accuracy(grid, arms, truth, thresholds)
        tables |= quality_tables(samples, arms, pairs, truth, thresholds, labels)
    grades = None if truth is None else grade(samples, truth, thresholds, labels)
    if style_pairs(arms):
        tables["prompt_styles"] = style_table(samples, grid, arms, grades)
    if attributes is not None:
        base = baseline_arms(arms, baseline)
        named = zip(arms["arm"], arms["group"], strict=True)
        found = measures(grades, grid, {str(arm): base[group] for arm, group in named if group in base})
        slices = slice_table(found, attributes.set_index("article_id").reindex(list(grid.articles)), arms)
        if len(slices):
            tables["slices"] = slices
    return tables


def quality_tables(
    samples: pd.DataFrame,
    arms: pd.DataFrame,
    pairs: Sequence[Comparison],
    truth: pd.DataFrame,
    thresholds: Thresholds,
    labels: Sequence[str] = (),
) -> dict[str, pd.DataFrame]:
    """What the answers are worth against the truth: quality, quality_pairs and, where items have labels,
    quality_labels, quality_label_pairs, confusion, calibration and consistency. Empty where the
    truth fits no item."""
    grades = grade(samples, truth, thresholds, labels)
    if not (grades.has_labels or grades.has_scores):
        return {}
    found = stated(samples, grades, thresholds)
    tables = {
        "quality": quality_table(grades, found, arms),
        "quality_pairs": quality_pair_table(grades, pairs, found),
    }
    if grades.has_labels:
        tables["quality_labels"] = label_table(grades, arms)
        if pairs:
            tables["quality_label_pairs"] = label_pair_table(grades, pairs)
        tables["confusion"] = confusion_table(grades, arms)
        tables["consistency"] = pass_table(grades, arms)
        tables["calibration"] = calibration_table(found, arms)
    return tables
