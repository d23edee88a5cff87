"""The primary question: do two arms differ, article by article?

In: a comparison x article matrix of differences (A minus B), NaN where an article has no valid
answer in one of the two. Out: the paired t-test with its intervals, effect sizes and the test of
equivalence, one row a comparison. Iterations were averaged before and are never observations here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.frames import FloatArray


def paired_t(differences: FloatArray) -> pd.DataFrame:
    """Student's paired t-test on article differences.

    Unit: the article (each weighs 1). Assumes independent articles and a mean that is near normal.
    t = mean / (sd / sqrt G), dof = G - 1; d_z = mean / sd; g_z = d_z J(G - 1) with
    J(v) = Gamma(v/2) / (Gamma((v-1)/2) sqrt(v/2)) (Hedges 1981).
    Undefined: one article or none; all differences equal (then sd is exactly 0 and t would be
    infinite): everything that divides by sd is NaN. g_z needs G >= 3.
    Checked against R's t.test(paired = TRUE): `paired` of the reference values, 18 pairs, 1e-9.
    """
    n = rows.count(differences)
    mean, sd = rows.mean(differences), rows.sd(differences)
    dof = np.where(n >= 2, n - 1, np.nan)
    se = rows.divided(sd, np.sqrt(n))
    testable_se = np.where(se > 0, se, np.nan)
    t = mean / testable_se
    half, half90 = rows.t_quantile(0.975, dof) * testable_se, rows.t_quantile(0.95, dof) * testable_se
    dz = rows.divided(mean, sd)
    return pd.DataFrame(
        {
            "n_articles": n,
            "mean_difference": mean,
            "sd_difference": sd,
            "se": se,
            "t": t,
            "dof": dof,
            "p_value": rows.t_two_sided(t, dof),
            "ci_low": mean - half,
            "ci_high": mean + half,
            "ci90_low": mean - half90,
            "ci90_high": mean + half90,
            "cohen_dz": dz,
            "hedges_gz": dz * small_sample_factor(dof),
        }
    )


def small_sample_factor(dof: FloatArray) -> FloatArray:
    """Hedges' exact J(dof), which removes the small-sample bias of d; NaN below 2 degrees of freedom."""
    v = np.where(dof >= 2, dof, np.nan)
    return np.asarray(
        np.exp(special.gammaln(v / 2) - special.gammaln((v - 1) / 2)) / np.sqrt(v / 2), dtype=np.float64
    )


def tost(differences: FloatArray, margin: float) -> FloatArray:
    """p-value of equivalence within +-margin: two one-sided paired t-tests, the larger p.

    Unit: the article. p <= .05 is the same as the 90 % interval inside +-margin (Schuirmann 1987).
    Undefined as `paired_t`. Checked against `tost` of the reference values, 1e-9.
    """
    n = rows.count(differences)
    mean, se = rows.mean(differences), rows.divided(rows.sd(differences), np.sqrt(n))
    dof = np.where(n >= 2, n - 1, np.nan)
    lower = special.stdtr(dof, -rows.divided(mean + margin, se))
    upper = special.stdtr(dof, rows.divided(mean - margin, se))
    return np.asarray(np.maximum(lower, upper), dtype=np.float64)


def untestable_reason(differences: FloatArray) -> list[str]:
    """Why `paired_t` has no p-value, one text a row; empty where it has one."""
    n, same = rows.count(differences), rows.constant(differences)
    reasons = []
    for i in range(len(differences)):
        if n[i] == 0:
            reasons.append("not testable: no article with a valid answer in both arms")
        elif n[i] == 1:
            reasons.append("not testable: one article only")
        else:
            reasons.append("not testable: all article differences are equal" if same[i] else "")
    return reasons
