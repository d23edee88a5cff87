"""One row per arm: how often it answers in form, what it answers, how fast, and what looks odd.

In: samples, timings and the grid. Out: `arms.csv`. Differences between arms are `bench.analysis.pairs`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.anomalies import heaping, wording
from bench.analysis.cells import Grid
from bench.analysis.frames import IDENTITY, MEASURED_OF_ARM
from bench.analysis.validity import valid_rates


def arm_table(
    samples: pd.DataFrame,
    timings: pd.DataFrame,
    grid: Grid,
    arms: pd.DataFrame,
    limits: tuple[float, float] | None,
) -> pd.DataFrame:
    """`arms.csv` in manifest order; an arm without samples has counts of 0 and statistics of NaN.

    Unit: the article, for rates, scores and confidence; the answer, for seconds, tokens, shares and
    weighted_score_mean (which is the seed project's headline number, kept for comparison).
    `limits` are the smallest and largest score the task allows; without them share_at_limits is NaN.
    Checked against `models` and `latency` of the reference values.
    """
    return pd.concat(
        [
            arms[[*IDENTITY, "source_name"]].reset_index(drop=True),
            pd.DataFrame(
                {
                    "n_articles": (grid.n_samples > 0).sum(axis=1),
                    "n_samples": grid.n_samples.sum(axis=1),
                    "n_valid": grid.n_valid.sum(axis=1),
                    "n_failed_measurements": grid.n_failed.sum(axis=1),
                }
            ),
            valid_rates(grid),
            score_means(grid),
            _confidences(samples, grid),
            _speeds(timings),
            arms[[*MEASURED_OF_ARM]].reset_index(drop=True),
            heaping(samples, limits),
            wording(samples),
        ],
        axis=1,
    )


def score_means(grid: Grid) -> pd.DataFrame:
    """Mean score of every arm over articles, with its t interval, and the mean within-cell variance.

    Unit: the article (each weighs 1), articles with a valid answer. se = sd / sqrt G, t with G - 1.
    Undefined: no such article; se and interval with one; the interval also when all means are equal.
    Checked against `mean_sentiment_article_weighted`, `se_cluster_mean` and `mean_within_var`.
    """
    mean, n = rows.mean(grid.score_mean), rows.count(grid.score_mean)
    se = rows.divided(rows.sd(grid.score_mean), np.sqrt(n))
    half = rows.t_quantile(0.975, n - 1) * np.where(se > 0, se, np.nan)
    return pd.DataFrame(
        {
            "score_mean": mean,
            "score_se": se,
            "score_ci_low": mean - half,
            "score_ci_high": mean + half,
            "score_variance_within": rows.mean(grid.score_variance),
        }
    )


def weighted_means(frame: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Confidence-weighted mean score of the valid answers per key; NaN where the weights sum to 0.

    Unit: the answer; this is what the seed project called the average sentiment.
    """
    used = frame.loc[frame["valid"] & frame["confidence"].notna(), [*keys, "score", "confidence"]]
    used = used.assign(product=used["score"] * used["confidence"])
    sums = used.groupby(keys, observed=False)[["product", "confidence"]].sum()
    return pd.Series(rows.divided(sums["product"], sums["confidence"]), index=sums.index)


def _confidences(samples: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "weighted_score_mean": weighted_means(samples, ["arm"]).to_numpy(),
            "confidence_mean": rows.mean(grid.confidence_mean),
        }
    )


def _speeds(timings: pd.DataFrame) -> pd.DataFrame:
    """Seconds and tokens over timed answers, invalid ones included."""
    timed = timings[timings["duration_s"].notna()]
    by_arm = timed.groupby("arm", observed=False)
    seconds = by_arm["duration_s"]
    n_valid = by_arm["valid"].sum().to_numpy(dtype=float)
    counted = timed[timed["completion_tokens"].notna()].groupby("arm", observed=False)
    tokens = counted[["completion_tokens", "duration_s"]].sum()
    return pd.DataFrame(
        {
            "duration_mean_s": seconds.mean().to_numpy(dtype=float),
            "duration_p50_s": seconds.quantile(0.5).to_numpy(dtype=float),
            "duration_p95_s": seconds.quantile(0.95).to_numpy(dtype=float),
            "seconds_per_valid": rows.divided(seconds.sum(), n_valid),
            "tokens_per_s": rows.divided(tokens["completion_tokens"], tokens["duration_s"]),
            "ttft_p50_s": timings.groupby("arm", observed=False)["ttft_s"]
            .quantile(0.5)
            .to_numpy(dtype=float),
        }
    )
