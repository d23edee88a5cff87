"""What the tables say about each group, in one plain sentence a reader can act on.

In: the tables of `bench.analysis.tables`. Out: text. It decides nothing that a table does not hold, and
never calls "not significant" a pass: an interval that straddles the margin is "not enough data".
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd

from bench.analysis.comparisons import baseline_arms
from bench.analysis.frames import short_names
from bench.analysis.questions import articles_within
from bench.analysis.rows import DECIMALS

SIGNIFICANT = 0.05
AGREEMENT_ONLY = "The articles carry no labels: this is agreement with the baseline, not correctness."


def group_sentences(pairs: pd.DataFrame, arms: pd.DataFrame, baseline: str | None = None) -> list[str]:
    """One sentence per group with a baseline, then one per two groups that are compared.

    `arms` is the frame of `bench.analysis.frames`. Unit: the article; p-values are Holm's.
    """
    name_of = short_names(arms)
    group = dict(zip(arms["arm"], arms["group"], strict=True))
    against_baseline = list(records(pairs[pairs["kind"] == "quantization"]))
    made = []
    for name, reference in baseline_arms(arms, baseline).items():
        rows = [oriented(r, {reference}) for r in against_baseline if reference in (r["arm_a"], r["arm_b"])]
        if rows:
            said = "; ".join(f"{name_of[row['arm_a']]} {finding(row)}" for row in rows)
            made.append(f"{name}, mean score against {name_of[reference]}: {said}.")
    others: dict[tuple[str, str], list[str]] = {}
    for row in records(pairs[pairs["kind"] != "quantization"]):
        a, b = name_of[row["arm_a"]], name_of[row["arm_b"]]
        styles = " (their prompt styles differ)" if "styles differ" in row["note"] else ""
        engines = " (across engines)" if "engines differ" in row["note"] else ""
        repeated = " (the same model, repeated)" if row["kind"] == "aa" else ""
        about = styles + engines + repeated
        of_groups = others.setdefault((group[row["arm_a"]], group[row["arm_b"]] + about), [])
        of_groups.append(f"{a if a == b else f'{a} against {b}'} {finding(row)}")
    made += [f"{a} against {b}, mean score: {'; '.join(said)}." for (a, b), said in others.items()]
    return made


def finding(row: dict[str, Any]) -> str:
    """What one comparison found about the mean score, in a few words."""
    margin, low, high = row["tost_margin"], row["ci_low"], row["ci_high"]
    if math.isnan(row["p_value"]) and row["n_articles"] >= 2:
        return _moved_alike(row["mean_difference"], margin)
    if math.isnan(row["p_value"]):
        return next((p for p in row["note"].split("; ") if p.startswith("not testable")), "not testable")
    span = f"{row['mean_difference']:+z.3f} ({low:+z.3f} to {high:+z.3f})"
    same = row["tost_p"] <= SIGNIFICANT
    if row["p_holm"] <= SIGNIFICANT:
        return f"differs, {span}" + (f", by less than the margin of {margin:g}" if same else "")
    if same:
        return f"stays within the margin of {margin:g}, {span}"
    return f"not enough data, {span}" + needed(row)


def _moved_alike(shift: float, margin: float) -> str:
    """All differences are equal: no p-value, and an interval without width, by which the gate judges."""
    found = "stays within" if round(abs(shift), DECIMALS) <= margin else "is past"
    return f"{found} the margin of {margin:g}, every article by {shift:+z.3f} (an interval without width)"


def needed(row: dict[str, Any]) -> str:
    """How many articles would settle the margin, as the gate says it: enough for this very shift, and for a
    power of .80 were there none. Empty where that is unknown."""
    shift, margin, n = abs(row["mean_difference"]), row["tost_margin"], int(row["n_articles"])
    if shift >= margin:
        return ", the shift itself is near the margin"
    found = (row["n_articles_needed"], articles_within(shift, row["sd_difference"], margin, n))
    articles = max((one for one in found if not math.isnan(one)), default=math.nan)
    if math.isnan(articles) or articles <= n:
        return ""
    return f", about {articles:.0f} articles like these would settle it"


def oriented(row: dict[str, Any], baselines: Collection[str]) -> dict[str, Any]:
    """The comparison with the baseline as B, whichever way round the config asked for it."""
    if row["arm_a"] not in baselines:
        return row
    turned = {"arm_a": row["arm_b"], "arm_b": row["arm_a"], "mean_difference": -row["mean_difference"]}
    return {**row, **turned, "ci_low": -row["ci_high"], "ci_high": -row["ci_low"]}


def records(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    for row in table.to_dict("records"):
        yield {str(name): value for name, value in row.items()}


def silent_arms(arms: pd.DataFrame) -> Sequence[str]:
    """Arms without a single valid answer: nothing but their valid rate can be said."""
    return [str(arm) for arm in arms.loc[(arms["n_samples"] > 0) & (arms["n_valid"] == 0), "arm"]]
