"""Signs that answers are a habit and no judgement: scores that heap, texts that repeat, odd lengths.

In: samples. Out: columns of `arms.csv`. They accuse nobody: each is a share or a length to look at.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.frames import FloatArray

REPEATING = 0.5
"""An answer repeats itself when so large a share of its word triples stood in it before."""


def heaping(samples: pd.DataFrame, limits: tuple[float, float] | None) -> pd.DataFrame:
    """Scores at the limits, at 0, and on few values, per arm.

    Unit: the valid answer. share_at_limits: score equal to `limits` (NaN without); share_zero: exactly
    0; share_top_score: the most frequent score; n_distinct_scores: distinct scores (0 without any).
    Undefined (NaN): no valid answer. Checked against hand-computed examples.
    """
    valid = samples[samples["valid"]]
    by_arm = valid.groupby("arm", observed=False)["score"]
    n = by_arm.count().to_numpy(dtype=float)

    def share(chosen: pd.Series) -> FloatArray:
        return rows.divided(chosen.groupby(valid["arm"], observed=False).sum(), n)

    of_score = valid.groupby(["arm", "score"], observed=True).size().groupby("arm", observed=False)
    return pd.DataFrame(
        {
            "share_at_limits": share(valid["score"].isin(limits)) if limits else np.full(len(n), np.nan),
            "share_zero": share(valid["score"] == 0),
            "n_distinct_scores": by_arm.nunique().to_numpy(dtype=np.int64),
            "share_top_score": rows.divided(of_score.max(), n),
        }
    )


def wording(samples: pd.DataFrame) -> pd.DataFrame:
    """Length of the answers and how many repeat themselves, per arm, invalid answers included.

    Unit: the answer whose text is known (of imported answers: its text fields). answer_chars_*: mean,
    median and 95th percentile of the characters; share_repeating: answers of which at least half of the
    word triples stood in them before. Undefined (NaN) without texts. Checked against hand-computed examples.
    """
    by_arm = samples.groupby("arm", observed=False)
    chars, repeated = by_arm["answer_chars"], samples["repeated_share"]
    looping = (repeated >= REPEATING).groupby(samples["arm"], observed=False).sum()
    return pd.DataFrame(
        {
            "answer_chars_mean": chars.mean().to_numpy(dtype=float),
            "answer_chars_p50": chars.quantile(0.5).to_numpy(dtype=float),
            "answer_chars_p95": chars.quantile(0.95).to_numpy(dtype=float),
            "share_repeating": rows.divided(looping, by_arm["repeated_share"].count()),
        }
    )
