"""Cells: everything that is known about one arm on one article, as arm x article matrices.

In: samples (one row per answer) and timings (the samples that were timed alone). Out: a `Grid`, on
which every later statistic works, and `cells.csv`. Nothing is tested here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.analysis.frames import (
    IDENTITY,
    LABELS,
    FloatArray,
    IntArray,
    Thresholds,
    label_codes,
)
from bench.analysis.rows import divided
from bench.records import FAILED_MEASUREMENTS


@dataclass(frozen=True)
class Grid:
    """Arm x article matrices. Counts are 0 and statistics NaN where there is nothing."""

    arms: tuple[str, ...]
    """Ids of the rows."""
    articles: tuple[str, ...]
    """Ids of the columns."""
    n_samples: IntArray
    """Answers, failed measurements included."""
    n_failed: IntArray
    """Measurements that failed: no statement about the model."""
    n_valid: IntArray
    """Valid answers."""
    valid_rate: FloatArray
    """n_valid / (n_samples - n_failed)."""
    score_mean: FloatArray
    """Mean over valid answers: the number an article contributes."""
    score_variance: FloatArray
    """ddof=1 over valid answers; exactly 0 where all are equal; NaN below two."""
    score_min: FloatArray
    score_max: FloatArray
    confidence_mean: FloatArray
    duration_mean_s: FloatArray
    """Mean over timed answers, invalid ones included."""
    log_duration_mean: FloatArray
    """Mean of the natural logarithm of the seconds."""
    completion_tokens_mean: FloatArray
    label_counts: IntArray
    """Label x arm x article: valid answers whose score reads as that label."""

    def row(self, arm: str) -> int:
        """The row of an arm."""
        return self.arms.index(arm)

    @property
    def n_measured(self) -> IntArray:
        """Answers that were measured: the denominator of a valid rate."""
        return self.n_samples - self.n_failed


def build_grid(samples: pd.DataFrame, timings: pd.DataFrame, thresholds: Thresholds) -> Grid:
    """The cells of `samples` (as `frames.prepared` returns it); `timings` gives the seconds.

    Unit: the cell, i.e. one arm on one article. Variances are decided to be 0 by the number of
    distinct values, because numpy leaves 1e-32 in most constant cells.
    Checked against: `within_var_*`, `mean_within_var` and `constant_cells` of the reference values.
    """
    arms = tuple(samples["arm"].cat.categories)
    articles = tuple(samples["article_id"].cat.categories)
    shape = (len(arms), len(articles))
    place = _places(samples, shape)
    valid = samples["valid"].to_numpy(dtype=bool)
    failed = samples["outcome"].isin([outcome.value for outcome in FAILED_MEASUREMENTS]).to_numpy(dtype=bool)
    n_samples = _counts(place, shape)
    n_failed = _counts(place[failed], shape)
    n_valid = _counts(place[valid], shape)
    scores = samples.loc[valid, "score"].to_numpy(dtype=float)
    stats = _summaries(scores, place[valid], shape)
    labels = label_codes(scores, thresholds)
    seconds, seconds_place = timings["duration_s"].to_numpy(dtype=float), _places(timings, shape)
    positive = np.where(seconds > 0, seconds, np.nan)
    return Grid(
        arms=arms,
        articles=articles,
        n_samples=n_samples,
        n_failed=n_failed,
        n_valid=n_valid,
        valid_rate=divided(n_valid, n_samples - n_failed),
        score_mean=stats["mean"],
        score_variance=np.where(
            stats["min"] == stats["max"], np.where(n_valid >= 2, 0.0, np.nan), stats["var"]
        ),
        score_min=stats["min"],
        score_max=stats["max"],
        confidence_mean=_means(samples["confidence"].to_numpy(dtype=float), place, shape),
        duration_mean_s=_means(seconds, seconds_place, shape),
        log_duration_mean=_means(np.log(positive), seconds_place, shape),
        completion_tokens_mean=_means(samples["completion_tokens"].to_numpy(dtype=float), place, shape),
        label_counts=np.stack([_counts(place[valid][labels == code], shape) for code in range(len(LABELS))]),
    )


def cell_table(grid: Grid, arms: pd.DataFrame) -> pd.DataFrame:
    """`cells.csv`: one row per arm x article that has samples, in manifest order."""
    rows, columns = np.nonzero(grid.n_samples > 0)
    identity = arms[list(IDENTITY)].iloc[rows].reset_index(drop=True)
    at = (rows, columns)
    return identity.assign(
        article_id=np.asarray(grid.articles, dtype=object)[columns],
        n_samples=grid.n_samples[at],
        n_valid=grid.n_valid[at],
        n_failed_measurements=grid.n_failed[at],
        valid_rate=grid.valid_rate[at],
        score_mean=grid.score_mean[at],
        score_variance=grid.score_variance[at],
        score_min=grid.score_min[at],
        score_max=grid.score_max[at],
        confidence_mean=grid.confidence_mean[at],
        duration_mean_s=grid.duration_mean_s[at],
        completion_tokens_mean=grid.completion_tokens_mean[at],
    )


def _places(frame: pd.DataFrame, shape: tuple[int, int]) -> IntArray:
    """Each row's place in the flattened arm x article matrix."""
    codes = frame["arm"].cat.codes.to_numpy(dtype=np.int64)
    return codes * shape[1] + frame["article_id"].cat.codes.to_numpy(dtype=np.int64)


def _counts(place: IntArray, shape: tuple[int, int]) -> IntArray:
    return np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)


def _summaries(values: FloatArray, place: IntArray, shape: tuple[int, int]) -> dict[str, FloatArray]:
    """Mean, variance, minimum and maximum per cell, NaN where there is none."""
    grouped = pd.Series(values).groupby(place).agg(["mean", "var", "min", "max"])
    full = grouped.reindex(np.arange(shape[0] * shape[1]))
    return {name: full[name].to_numpy(dtype=float).reshape(shape) for name in full.columns}


def _means(values: FloatArray, place: IntArray, shape: tuple[int, int]) -> FloatArray:
    means = pd.Series(values).groupby(place).mean()
    full = means.reindex(np.arange(shape[0] * shape[1])).to_numpy(dtype=np.float64)
    return np.asarray(full.reshape(shape), dtype=np.float64)
