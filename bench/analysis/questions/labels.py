"""Do scores still read as the same labels?

In: counts of labels per cell. Out: how much two arms disagree beyond each one's disagreement with
itself, with its bounds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.labels import label_agreement
from bench.analysis.questions import Evidence, answers, articles_for_bound, settle_words

ORDER = 4
ASKS = "Do its scores read as the same labels?"
UNIT = "rate"
COMPARES_SCORES = True


def applies(evidence: Evidence) -> bool:
    """Only where the task turns scores into labels."""
    return evidence.has_score and evidence.thresholds is not None


def judge(evidence: Evidence) -> pd.DataFrame:
    """Excess disagreement, (selfA + selfB) / 2 - cross, against `labels`.

    Unit: the article, those with two valid answers in both arms; t bounds over articles as
    `bench.analysis.labels.label_agreement` defines them. Where all articles agree alike the interval
    has no width, which the reason says. Undefined: fewer than two such articles.
    Checked against `label_excess` of the reference values.
    """
    margin = evidence.margins.labels
    found = label_agreement(evidence.grid, evidence.a, evidence.b, evidence.thresholds)
    n = found["n_articles_labels"].to_numpy(dtype=np.int64)
    mean = found["excess_disagreement"].to_numpy(dtype=float)
    bound = found["excess_upper"].to_numpy(dtype=float)
    same = (n >= 2) & np.isnan(bound)
    upper = np.where(same, mean, bound)
    lower = 2 * mean - upper
    se = np.where(same, np.nan, rows.divided(upper - mean, rows.t_quantile(0.95, n - 1)))
    passes, fails = upper <= margin, lower > margin
    needed = articles_for_bound(evidence, mean, se * np.sqrt(n), margin, n)
    said = []
    for i in range(len(n)):
        text = f"labels disagree {mean[i]:+z.1%} beyond chance, at most {upper[i]:z.1%}"
        if n[i] < 2:
            text = "fewer than two articles with two valid answers in both arms"
        elif same[i]:
            text = f"labels disagree {mean[i]:+z.1%} beyond chance on every article alike"
        elif not passes[i] and not fails[i]:
            text += settle_words(float(needed[i]), float("nan"))
        said.append(text)
    return answers(
        estimate=mean,
        lower=lower,
        upper=upper,
        margin=margin,
        passes=passes,
        fails=fails,
        testable=n >= 2,
        p_value=special.stdtr(np.maximum(n - 1, 1), (mean - margin) / se),
        reason=said,
        n_articles_needed=needed,
    )


def alone(evidence: Evidence) -> None:
    """Nothing: labels are held against the baseline's."""
