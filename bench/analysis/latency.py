"""Is one arm slower than another on the same articles?

In: comparison x article matrices of mean log seconds. Out: the ratio of the geometric means with its
interval over articles. All timed attempts count, invalid ones too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.frames import FloatArray


def latency_ratio(log_a: FloatArray, log_b: FloatArray) -> pd.DataFrame:
    """exp(mean over articles of the difference of mean log seconds), A / B, with a t interval.

    Unit: the article. Undefined without timed answers to a common article; the interval also with
    one article or when all ratios are equal.
    Checked against `latency` of the reference values (R and Python), 1e-9.
    """
    d = log_a - log_b
    n = rows.count(d)
    mean, se = rows.mean(d), rows.divided(rows.sd(d), np.sqrt(n))
    half = rows.t_quantile(0.975, n - 1) * np.where(se > 0, se, np.nan)
    return pd.DataFrame(
        {
            "latency_ratio": np.exp(mean),
            "latency_ratio_ci_low": np.exp(mean - half),
            "latency_ratio_ci_high": np.exp(mean + half),
        }
    )
