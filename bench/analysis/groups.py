"""One row per group (one model in one setting, at several quantizations).

In: samples, the grid and the arms. Out: `anova.csv` and `variance.csv`. What a single comparison
says is `bench.analysis.pairs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.anova import friedman, no_residual_variation, repeated_measures
from bench.analysis.cells import Grid
from bench.analysis.components import variance_components
from bench.analysis.frames import GROUP_IDENTITY, FloatArray, IntArray
from bench.analysis.naive import levene, one_way

ANOVA_COLUMNS = (
    *GROUP_IDENTITY, "n_articles", "n_arms",
    "naive_f", "naive_p", "f", "dof1", "dof2", "p_value", "gg_epsilon",
    "p_gg", "hf_epsilon", "p_hf", "mauchly_w", "mauchly_p", "eta_sq_partial", "eta_sq_generalized",
    "friedman_chi2", "friedman_p", "kendall_w", "levene_f", "levene_p", "brown_forsythe_f",
    "brown_forsythe_p", "note",
)  # fmt: skip
VARIANCE_COLUMNS = (
    *GROUP_IDENTITY, "var_article", "var_article_arm", "var_residual", "icc_article", "icc_cell",
    "reml_loglik", "singular", "note",
)  # fmt: skip


def anova_table(samples: pd.DataFrame, grid: Grid, arms: pd.DataFrame) -> pd.DataFrame:
    """`anova.csv`: repeated measures on article means, the naive tests beside it, per group.

    Unit: the article (complete ones: a valid answer in every arm of the group that has any at all);
    naive_*, levene_* and brown_forsythe_* pool answers. Sources and limits: `bench.analysis.anova`
    and `bench.analysis.naive`. Checked against `families` of the reference values.
    """
    valid = samples[samples["valid"]]
    scores = {
        str(arm): part.to_numpy(dtype=float) for arm, part in valid.groupby("arm", observed=True)["score"]
    }
    made = []
    for identity, members in _groups(grid, arms):
        answering = members[(grid.n_valid[members] > 0).any(axis=1)]
        means = grid.score_mean[answering].T
        complete = means[~np.isnan(means).any(axis=1)] if len(answering) else np.empty((0, 0))
        pooled = [scores[grid.arms[i]] for i in answering]
        naive, mean_f, median_f = one_way(pooled), levene(pooled, median=False), levene(pooled, median=True)
        silent = [grid.arms[i] for i in members if i not in answering]
        made.append(
            {
                **identity,
                "n_articles": len(complete),
                "n_arms": len(answering),
                "naive_f": naive.f,
                "naive_p": naive.p,
                **repeated_measures(complete),
                **friedman(complete),
                "levene_f": mean_f.f,
                "levene_p": mean_f.p,
                "brown_forsythe_f": median_f.f,
                "brown_forsythe_p": median_f.p,
                "note": "; ".join(_anova_notes(complete, len(answering), silent, pooled)),
            }
        )
    return pd.DataFrame(made, columns=list(ANOVA_COLUMNS))


def _anova_notes(
    means: FloatArray, n_arms: int, silent: list[str], pooled: list[FloatArray]
) -> Iterator[str]:
    if silent:
        yield f"left out, without any valid answer: {', '.join(silent)}"
    if n_arms < 2:
        yield "not testable: fewer than two arms with valid answers"
    elif len(means) < 2:
        yield f"not testable: {len(means)} article(s) with a valid answer in every arm"
    elif no_residual_variation(means):
        yield "not testable: every article moves alike between the arms"
    if n_arms >= 2 and any(len(np.unique(group)) < 2 for group in pooled):
        yield "Levene not testable: an arm always gives the same score"


def variance_table(grid: Grid, arms: pd.DataFrame) -> pd.DataFrame:
    """`variance.csv`: variance components per group; see `bench.analysis.components`."""
    made: list[dict[str, Any]] = []
    for identity, members in _groups(grid, arms):
        parts = variance_components(
            grid.n_valid[members].T, grid.score_mean[members].T, grid.score_variance[members].T
        )
        made.append({**identity, **parts._asdict()})
    return pd.DataFrame(made, columns=list(VARIANCE_COLUMNS))


def _groups(grid: Grid, arms: pd.DataFrame) -> Iterator[tuple[dict[str, Any], IntArray]]:
    """Each group's identity and the grid rows of its arms, in manifest order; A/A repeats are in none."""
    repeats = arms["repeat_of"].astype(object).fillna("") != ""
    for _, members in arms[~repeats].groupby("group", sort=False):
        identity = {name: members[name].iloc[0] for name in GROUP_IDENTITY}
        yield identity, np.array([grid.row(arm) for arm in members["arm"]], dtype=np.int64)
