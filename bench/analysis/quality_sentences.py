"""What the tables of quality say, in one plain sentence a group and a pair of groups.

In: `quality.csv`, `quality_pairs.csv` and the arms' specs. Out: text for the terminal, the sheet Decision and
the page. It decides nothing: an interval around zero is no difference shown, and not none.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from bench.analysis.sentences import records
from bench.records import ModelSpec

MOST_NAMED = 8
"""Arms of one group that are named; a larger group is told by its best and its worst."""


def quality_sentences(quality: pd.DataFrame, pairs: pd.DataFrame, specs: Collection[ModelSpec]) -> list[str]:
    """How often each group's arms are right, then fine-tuned against base and further comparisons.

    `specs` are those of the run's arms: which group an arm is of and what it is called there.
    Unit: the item; 95 % intervals over items. Nothing where no item has a label or a reference score.
    """
    made = []
    if "accuracy" in quality.columns:
        known = {spec.arm: spec for spec in specs}
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in records(quality):
            spec = known.get(row["arm"])
            short = row["quant"] if spec is None else spec.short_name
            members = groups.setdefault(row["arm"] if spec is None else spec.group, [])
            members.append({**row, "short_name": short})
        for name, members in groups.items():
            made += _of_group(name, members)
    made += [text for row in records(pairs) if row["kind"] != "quantization" and (text := _of_pair(row))]
    return made


def _of_group(name: str, members: list[dict[str, Any]]) -> list[str]:
    known = [row for row in members if not math.isnan(row["accuracy"])]
    if not known:
        return []
    if len(known) > MOST_NAMED:
        ordered = sorted(known, key=lambda row: row["accuracy"])
        known = [ordered[-1], ordered[0]]
    said = ", ".join(
        f"{row['short_name']} {_percent(row['accuracy'])}{_span(row, 'accuracy_bounded')}" for row in known
    )
    return [f"{name}, right answers over {known[0]['n_items']} items: {said}."]


def _of_pair(row: Mapping[str, Any]) -> str:
    names = f"{row['arm_a']} against {row['arm_b']}"
    if math.isnan(row.get("accuracy_difference", math.nan)):
        difference = row.get("error_difference", math.nan)
        if math.isnan(difference):
            return ""
        span = f" ({row['error_ci_low']:+z.3f} to {row['error_ci_high']:+z.3f})"
        return f"{names}: mean error of the score {difference:+z.3f}{'' if 'nan' in span else span}."
    points = f"{100 * row['accuracy_difference']:+z.1f} points"
    low, high = 100 * row["ci_low"], 100 * row["ci_high"]
    span = "" if math.isnan(low) else f" ({low:+z.1f} to {high:+z.1f})"
    turned = f"{row['n_wrong_to_right']:.0f} items turned right, {row['n_right_to_wrong']:.0f} wrong"
    return f"{names}: right answers {points}{span}; {turned}."


def _percent(share: float) -> str:
    return f"{100 * share:z.1f} %"


def _span(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if math.isnan(low) or math.isnan(high) else f" ({100 * low:z.1f} to {100 * high:z.1f})"
