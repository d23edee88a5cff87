"""Where the variance of the scores comes from: articles, arms moving on articles, repeats.

In: counts, means and variances of the cells of one group. Out: variance components with their
intraclass correlations. score = arm + article + article:arm + residual, arms fixed, the rest random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bench.analysis.frames import FloatArray, IntArray


class Components(NamedTuple):
    """Variance components of one group; NaN with a note where they are undefined."""

    var_article: float
    """Between articles, shared by the arms."""
    var_article_arm: float
    """Between articles, of each arm on its own: drift beyond sampling noise."""
    var_residual: float
    """Between repeated answers to one article."""
    icc_article: float
    """var_article / total: correlation of answers of two arms to one article."""
    icc_cell: float
    """(var_article + var_article_arm) / total: correlation of two answers of one arm to one article."""
    reml_loglik: float
    """Restricted log-likelihood, with lme4's constant."""
    singular: bool | None
    """Whether a component lies at 0, the border of what is possible."""
    note: str


class Cells(NamedTuple):
    """Sufficient statistics of one group: article x arm."""

    n: FloatArray
    """Valid answers; 0 where there is none."""
    mean: FloatArray
    """Their mean; 0 where there is none."""
    within: float
    """Sum of squares of the answers about their cell's mean."""


def variance_components(n_valid: IntArray, means: FloatArray, variances: FloatArray) -> Components:
    """Restricted maximum likelihood of the nested model on article x arm cells.

    Unit: the article, with arms and repeated answers nested in it. Balanced groups whose
    closed-form estimates (from the mean squares) are not negative use them: there they are the REML
    estimates. Otherwise the likelihood, which needs the cells only, is maximised from several starts
    and on each border, and the best is kept.
    Undefined: fewer than two articles with an answer, no article answered twice in any cell, or no
    variation between repeated answers. Checked against R's lme4 (`lmm_reml` and `anova_components` of
    the reference values): components 1e-6, log-likelihood 1e-6.
    """
    used = n_valid.sum(axis=1) > 0
    arms = n_valid.sum(axis=0) > 0
    n = n_valid[used][:, arms].astype(np.float64)
    mean = np.where(n > 0, means[used][:, arms], 0.0)
    spread = np.where(n >= 2, variances[used][:, arms], 0.0)
    cells = Cells(n, mean, float((np.maximum(n - 1, 0) * spread).sum()))
    reason = _why_not(cells)
    if reason:
        nan = float("nan")
        return Components(nan, nan, nan, nan, nan, nan, None, reason)
    estimate = closed_form(cells)
    if estimate is None or min(estimate) < 0:
        estimate = maximised(cells)
    article, article_arm, residual = estimate
    total = article + article_arm + residual
    return Components(
        article,
        article_arm,
        residual,
        article / total,
        (article + article_arm) / total,
        reml_loglik(cells, article / residual, article_arm / residual).loglik,
        bool(min(article, article_arm) <= 1e-9 * total),
        "",
    )


def _why_not(cells: Cells) -> str:
    n_articles, n_arms = cells.n.shape
    if n_arms == 0 or n_articles < 2:
        return "not estimable: fewer than two articles with a valid answer"
    if n_arms < 2:
        return "not estimable: one arm with valid answers; articles and article:arm cannot be told apart"
    if not (cells.n >= 2).any():
        return "not estimable: no article has two valid answers of one arm"
    return "" if cells.within > 0 else "not estimable: repeated answers never differ"


def closed_form(cells: Cells) -> tuple[float, float, float] | None:
    """Components from the mean squares: article, article:arm, residual; None if not balanced.

    They may be negative; then they are not the REML estimates.
    """
    repeats = float(cells.n[0, 0])
    n_articles, n_arms = cells.n.shape
    if (cells.n != repeats).any() or repeats < 2:
        return None
    grand = cells.mean.mean()
    row, column = cells.mean.mean(axis=1), cells.mean.mean(axis=0)
    ms_article = repeats * n_arms * ((row - grand) ** 2).sum() / (n_articles - 1)
    centred = cells.mean - row[:, None] - column + grand
    ms_article_arm = repeats * (centred**2).sum() / ((n_articles - 1) * (n_arms - 1))
    residual = cells.within / (n_articles * n_arms * (repeats - 1))
    return (
        float((ms_article - ms_article_arm) / (n_arms * repeats)),
        float((ms_article_arm - residual) / repeats),
        float(residual),
    )


class Fit(NamedTuple):
    """The restricted likelihood at given variance ratios, the residual variance being at its best."""

    loglik: float
    residual: float


def reml_loglik(cells: Cells, article_ratio: float, article_arm_ratio: float) -> Fit:
    """Restricted log-likelihood at var_article / var_residual and var_article_arm / var_residual.

    With cell weights w = 1 / (article_arm_ratio + 1 / n), each article's covariance of cell means is
    (diag(1 / w) + article_ratio J) var_residual, inverted by Sherman and Morrison; answers within cells
    contribute their sum of squares only.
    """
    present = cells.n > 0
    w = np.where(present, 1 / (article_arm_ratio + 1 / np.where(present, cells.n, 1.0)), 0.0)
    shrink = article_ratio / (1 + article_ratio * w.sum(axis=1))
    information = np.diag(w.sum(axis=0)) - (w * shrink[:, None]).T @ w
    weighted = w * cells.mean
    score = weighted.sum(axis=0) - (w * (shrink * weighted.sum(axis=1))[:, None]).sum(axis=0)
    effects = np.linalg.solve(information, score)
    r = np.where(present, cells.mean - effects, 0.0)
    quadratic = (w * r**2).sum() - (shrink * ((w * r).sum(axis=1)) ** 2).sum()
    dof = cells.n.sum() - cells.n.shape[1]
    residual = (cells.within + quadratic) / dof
    # log |V|, the residual variance taken out: within cells it is sum log n (as 1 / w = ratio + 1 / n)
    log_det = (
        np.log(cells.n[present]).sum()
        - np.log(w[present]).sum()
        + np.log1p(article_ratio * w.sum(axis=1)).sum()
    )
    log_det_fixed = np.linalg.slogdet(information)[1]
    loglik = -0.5 * (dof * (math.log(2 * math.pi * residual) + 1) + log_det + log_det_fixed)
    return Fit(float(loglik), float(residual))


_LOG_RATIOS = (-9.0, 7.0)
"""Range of the natural logarithm of a variance ratio that is searched; 0 itself is tried apart."""


def maximised(cells: Cells) -> tuple[float, float, float]:
    """Article, article:arm and residual variance with the highest restricted likelihood.

    The inside (log ratios), each border and the corner are searched apart, because an optimizer that
    walks towards a border stops short of it.
    """

    def inside(logs: FloatArray) -> float:
        return reml_loglik(cells, math.exp(logs[0]), math.exp(logs[1])).loglik

    article_only = _best_on_line(lambda x: reml_loglik(cells, math.exp(x), 0).loglik)
    arm_only = _best_on_line(lambda x: reml_loglik(cells, 0, math.exp(x)).loglik)
    both = _best_on_plane(inside)
    candidates = [
        (reml_loglik(cells, 0, 0).loglik, 0.0, 0.0),
        (article_only[0], math.exp(article_only[1]), 0.0),
        (arm_only[0], 0.0, math.exp(arm_only[1])),
        (inside(both), math.exp(both[0]), math.exp(both[1])),
    ]
    # an inside that only ties with a border is that border
    best = max(candidate[0] for candidate in candidates)
    _, article, article_arm = next(c for c in candidates if c[0] >= best - 1e-9)
    residual = reml_loglik(cells, article, article_arm).residual
    return article * residual, article_arm * residual, residual


def _best_on_plane(value: Callable[[FloatArray], float]) -> FloatArray:
    """Place of the highest value: a grid over the searched square, then a simplex from its best point."""
    from scipy.optimize import minimize  # costs a third of a second; balanced groups never need it

    axis = np.linspace(*_LOG_RATIOS, 9)
    start = max((np.array([x, y]) for x in axis for y in axis), key=value)
    # the likelihood of a million answers is only good to 1e-10, so the place decides when to stop
    options = {"xatol": 1e-7, "fatol": 1e-8, "maxiter": 1000}
    found = minimize(lambda x: -value(np.clip(x, -40.0, 40.0)), start, method="Nelder-Mead", options=options)
    return np.clip(np.asarray(found.x, dtype=np.float64), -40.0, 40.0)


def _best_on_line(value: Callable[[float], float]) -> tuple[float, float]:
    """Highest value and its place on the searched range: a grid, then golden section around its best."""
    low, high = _LOG_RATIOS
    grid = np.linspace(low, high, 17)
    best = int(np.argmax([value(float(x)) for x in grid]))
    left, right = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, 16)])
    golden = (math.sqrt(5) - 1) / 2
    inner, outer = right - golden * (right - left), left + golden * (right - left)
    value_inner, value_outer = value(inner), value(outer)
    while right - left > 1e-8:
        if value_inner >= value_outer:
            right, outer, value_outer = outer, inner, value_inner
            inner = right - golden * (right - left)
            value_inner = value(inner)
        else:
            left, inner, value_inner = inner, outer, value_outer
            outer = left + golden * (right - left)
            value_outer = value(outer)
    middle = (left + right) / 2
    return value(middle), middle
