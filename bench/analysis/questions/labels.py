"""Do scores still read as the same labels?

In: counts of labels per cell. Out: how much two arms disagree beyond each one's disagreement with
itself, with its bounds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.labels import excess_by_article, label_agreement, shift_p, shift_upper
from bench.analysis.questions import TAIL, Evidence, answers, articles_for_bound, settle_words
from bench.analysis.skewed import p_at, upper_bound

ORDER = 4
ASKS = "Do its scores read as the same labels?"
UNIT = "rate"
COMPARES_SCORES = True


def applies(evidence: Evidence) -> bool:
    """Only where the task turns scores into labels."""
    return evidence.has_score and evidence.thresholds is not None


def judge(evidence: Evidence) -> pd.DataFrame:
    """Excess disagreement, (selfA + selfB) / 2 - cross, against `labels`.

    Unit: the article, those with two valid answers in both arms. upper = the largest of the t bound over
    articles (`excess_upper` of pairs.csv), Hall's, which minds that few articles disagree much, and
    `bench.analysis.labels.shift_upper`; lower = the mirrored t bound. Where all articles agree alike the
    interval has no width, which the reason says. Undefined: fewer than two such articles.
    Checked against `label_excess` of the reference values. In `benchmarks/gate.py` an arm past the margin
    whose flips are spread evenly passes in at most 5 % (by the t bound alone in 7 to 17 %); where flips crowd
    on few articles (ICC 0.3) in 5 % at 40 articles and 12 % at 20, of which a sample may miss them all.
    """
    margin = evidence.margins.labels
    found = label_agreement(evidence.grid, evidence.a, evidence.b, evidence.thresholds)
    n = found["n_articles_labels"].to_numpy(dtype=np.int64)
    mean = found["excess_disagreement"].to_numpy(dtype=float)
    bound = found["excess_upper"].to_numpy(dtype=float)
    same = (n >= 2) & np.isnan(bound)
    by_t = np.where(same, mean, bound)
    lower, quantile = 2 * mean - by_t, rows.t_quantile(1 - TAIL, n - 1)
    excess, a, b = excess_by_article(evidence.grid, evidence.a, evidence.b), evidence.a, evidence.b
    better = np.fmax(upper_bound(excess, TAIL), shift_upper(evidence.grid, a, b, quantile))
    upper = np.fmax(by_t, np.minimum(better, 1.0))
    se = np.where(same, np.nan, rows.divided(upper - mean, quantile))  # of the bound that decides
    p_value = np.fmax(p_at(excess, margin), shift_p(evidence.grid, a, b, margin))
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
        p_value=p_value,
        reason=said,
        n_articles_needed=needed,
    )


def alone(evidence: Evidence) -> None:
    """Nothing: labels are held against the baseline's."""
