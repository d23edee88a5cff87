"""Do the quantizations of one group differ at all? Repeated measures on article means.

In: an article x arm matrix of article means. Out: the repeated-measures F with its sphericity
corrections, effect sizes and Friedman's test. Articles that lack a valid answer in some arm are left
out, and their number is visible in n_articles.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bench.analysis import rows
from bench.analysis.frames import FloatArray

RESULT = (
    "f", "dof1", "dof2", "p_value", "gg_epsilon", "p_gg", "hf_epsilon", "p_hf", "mauchly_w", "mauchly_p",
    "eta_sq_partial", "eta_sq_generalized", "friedman_chi2", "friedman_p", "kendall_w",
)  # fmt: skip
"""What `repeated_measures` and `friedman` give, in the order of `anova.csv`."""


def repeated_measures(means: FloatArray) -> dict[str, float]:
    """One-way repeated-measures analysis of variance of complete articles (rows) over arms (columns).

    Unit: the article. F = MS_arm / MS_residual; Greenhouse-Geisser epsilon from the double-centred
    covariance; Huynh-Feldt epsilon by car's formula, capped at 1 for the p-value; Mauchly's W with
    R's chi-squared approximation (stats::mauchly.test); generalized eta squared
    SS_arm / (SS_arm + SS_article + SS_residual).
    Undefined (all NaN): fewer than two arms or articles, or no residual variation. Two arms: both
    epsilons are 1 and Mauchly is undefined; Mauchly also needs more articles than arms.
    Checked against `rm_anova` of the reference values (R's aov and car::Anova), 4 groups.
    """
    result = dict.fromkeys(RESULT[:12], float("nan"))
    n, k = means.shape
    if n < 2 or k < 2:
        return result
    grand = means.mean()
    ss_arm = n * ((means.mean(axis=0) - grand) ** 2).sum()
    ss_article = k * ((means.mean(axis=1) - grand) ** 2).sum()
    centred = means - means.mean(axis=0) - means.mean(axis=1)[:, None] + grand
    ss_residual = (centred**2).sum()
    if no_residual_variation(means):
        return result
    dof1, dof2 = k - 1, (k - 1) * (n - 1)
    f = (ss_arm / dof1) / (ss_residual / dof2)
    gg, hf = _epsilons(centred, n, k)
    w, w_p = _mauchly(means, n, k)
    capped = min(hf, 1.0)
    result.update(
        f=float(f),
        dof1=float(dof1),
        dof2=float(dof2),
        p_value=float(rows.f_upper(f, dof1, dof2)),
        gg_epsilon=gg,
        p_gg=float(rows.f_upper(f, dof1 * gg, dof2 * gg)),
        hf_epsilon=hf,
        p_hf=float(rows.f_upper(f, dof1 * capped, dof2 * capped)),
        mauchly_w=w,
        mauchly_p=w_p,
        eta_sq_partial=float(ss_arm / (ss_arm + ss_residual)),
        eta_sq_generalized=float(ss_arm / (ss_arm + ss_article + ss_residual)),
    )
    return result


def no_residual_variation(means: FloatArray) -> bool:
    """Whether every article moves alike between the arms, so that there is nothing to test against."""
    return bool(rows.constant((means - means[:, :1]).T).all())


def _epsilons(centred: FloatArray, n: int, k: int) -> tuple[float, float]:
    """Greenhouse-Geisser and Huynh-Feldt epsilon; both 1 with two arms."""
    if k == 2:
        return 1.0, 1.0
    covariance = centred.T @ centred / (n - 1)
    gg = float(np.trace(covariance) ** 2 / ((k - 1) * (covariance**2).sum()))
    denominator = (k - 1) * ((n - 1) - (k - 1) * gg)
    # negative for very few articles: the formula then says no more than "no correction"
    hf = (n * (k - 1) * gg - 2) / denominator if denominator > 0 else 1.0
    return gg, float(hf)


def _mauchly(means: FloatArray, n: int, k: int) -> tuple[float, float]:
    """Mauchly's W and its p-value as in R's stats::mauchly.test (the second-order term has 3 k)."""
    p, v = k - 1, n - 1
    if p < 2 or v < p:
        return float("nan"), float("nan")
    contrasts = np.linalg.qr(np.eye(k) - 1 / k)[0][:, :p]
    covariance = np.atleast_2d(np.cov(means @ contrasts, rowvar=False))
    w = float(np.linalg.det(covariance) / (np.trace(covariance) / p) ** p)
    if w <= 1e-15:
        return float("nan"), float("nan")
    rho = 1 - (2 * p**2 + p + 2) / (6 * p * v)
    second = (p + 2) * (p - 1) * (p - 2) * (2 * p**3 + 6 * p**2 + 3 * k + 2) / (288 * (v * p * rho) ** 2)
    statistic, dof = -v * rho * np.log(w), p * (p + 1) / 2 - 1
    first = float(special.chdtrc(dof, statistic))
    return w, first + second * (float(special.chdtrc(dof + 4, statistic)) - first)


def friedman(means: FloatArray) -> dict[str, float]:
    """Friedman's rank test over complete articles (rows), with Kendall's W.

    Unit: the article. Means are rounded to 10 decimals before ranking; ties are corrected for.
    Undefined with fewer than two arms or articles, or when every article ties completely.
    Checked against `friedman` of the reference values (R's friedman.test).
    """
    n, k = means.shape
    result = dict.fromkeys(RESULT[12:], float("nan"))
    if n < 2 or k < 2:
        return result
    ranks = pd.DataFrame(np.round(means, rows.DECIMALS)).rank(axis=1).to_numpy()
    sums = ranks.sum(axis=0)
    spread = (ranks**2).sum() - n * k * (k + 1) ** 2 / 4
    if spread <= 1e-9:
        return result
    chi2 = float((k - 1) * ((sums - n * (k + 1) / 2) ** 2).sum() / spread)
    result["friedman_chi2"] = chi2
    result["friedman_p"] = float(special.chdtrc(k - 1, chi2))
    result["kendall_w"] = chi2 / (n * (k - 1))
    return result
