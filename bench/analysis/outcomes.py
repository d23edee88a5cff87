"""What became of the answers, and whether iterations differ.

In: samples. Out: `failures.csv` and `iterations.csv`. Counts only; nothing is tested.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.analysis import rows
from bench.analysis.arms import weighted_means
from bench.analysis.frames import IDENTITY


def failure_table(samples: pd.DataFrame, arms: pd.DataFrame, outcomes: Sequence[str]) -> pd.DataFrame:
    """`failures.csv`: n and share of every outcome for every arm, zeros included.

    Unit: the answer; share = n / n_samples, NaN for an arm without samples.
    """
    outcome = pd.Series(pd.Categorical(samples["outcome"], categories=list(outcomes)), index=samples.index)
    counts = pd.crosstab(samples["arm"], outcome, dropna=False).reindex(
        index=list(arms["arm"]), columns=list(outcomes), fill_value=0
    )
    identity = arms[list(IDENTITY)].loc[arms.index.repeat(len(outcomes))].reset_index(drop=True)
    totals = counts.sum(axis=1).to_numpy()[:, None]
    return identity.assign(
        outcome=list(outcomes) * len(arms),
        n=counts.to_numpy().ravel(),
        share=rows.divided(counts.to_numpy(), totals).ravel(),
    )


def iteration_table(samples: pd.DataFrame, timings: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """`iterations.csv`: one row per arm x iteration that has samples.

    Unit: the answer. weighted_score_mean is confidence-weighted over the iteration's valid answers;
    duration_s is the sum of its timed answers, NaN where none was timed alone.
    """
    keys = ["arm", "iteration"]
    by = samples.groupby(keys, observed=True)
    table = by.agg(n_samples=("valid", "size"), n_valid=("valid", "sum"))
    table["weighted_score_mean"] = weighted_means(samples, keys).reindex(table.index)
    seconds = timings.groupby(keys, observed=True)["duration_s"].sum(min_count=1)
    table["duration_s"] = seconds.reindex(table.index)
    table = table.reset_index().astype({"arm": str, "n_valid": "int64"})
    order = {arm: place for place, arm in enumerate(arms["arm"])}
    table = table.sort_values(keys, key=lambda c: c.map(order) if c.name == "arm" else c, kind="stable")
    return arms[list(IDENTITY)].merge(table, on="arm", how="inner", validate="one_to_many")
