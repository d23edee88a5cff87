"""What an evaluation shows of a run: how right each arm is, and what training it was worth.

In: the tables of `bench.analysis.tables` and the role of each arm. Out: `evaluation.csv`, a row per arm, and
`evaluation_pairs.csv`, a row per comparison that answers one of the two questions

    tuning      is a trained model right more often than the untuned one?
    baseline    is it right more often than the simpler model?

with a verdict in words. It computes nothing again but Holm's correction, over the rows that it shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.correction import holm
from bench.analysis.frames import IDENTITY
from bench.analysis.sentences import SIGNIFICANT, records

UNTUNED = "untuned"
TUNING, BASELINE = "tuning", "baseline"
_FROM_ARMS = ("n_samples", "n_valid", "n_failed_measurements", "valid_rate", "valid_clustered_low",
              "valid_clustered_high")  # fmt: skip
_PAIR = (
    "n_items", "accuracy_a", "accuracy_b", "accuracy_difference", "ci_low", "ci_high", "p_value",
    "signflip_p", "n_wrong_to_right", "n_right_to_wrong", "mcnemar_p", "macro_f1_difference",
    "macro_f1_ci_low", "macro_f1_ci_high", "balanced_accuracy_difference", "balanced_accuracy_ci_low",
    "balanced_accuracy_ci_high", "garbage_difference", "garbage_ci_low", "garbage_ci_high",
    "brier_difference", "brier_ci_low", "brier_ci_high", "n_scored_items", "error_difference",
    "error_ci_low", "error_ci_high", "error_p", "note",
)  # fmt: skip


def evaluation_table(tables: Mapping[str, pd.DataFrame], roles: Mapping[str, str]) -> pd.DataFrame:
    """`evaluation.csv`: one row per arm, in the run's order: its role, its valid answers, then `quality.csv`.

    Unit: the item. Where no item has a label or a reference score only the valid answers are there.
    Formulas, intervals, what is undefined and checks: as `quality_table` and `arm_table`.
    """
    arms = tables["arms"].reset_index(drop=True)
    shown = arms[[*IDENTITY, *(name for name in _FROM_ARMS if name in arms.columns)]]
    shown.insert(1, "role", arms["arm"].map(dict(roles)))
    quality = tables.get("quality")
    if quality is None:
        return shown
    more = [name for name in quality.columns if name not in shown.columns]
    return pd.concat([shown, quality[more].reset_index(drop=True)], axis=1)


def comparison_table(
    pairs: pd.DataFrame, wanted: Sequence[tuple[str, str]], roles: Mapping[str, str]
) -> pd.DataFrame:
    """`evaluation_pairs.csv`: the `wanted` rows (A minus B) of `quality_pairs.csv`, in their order.

    Unit: the item, those that both arms answered; columns as `quality_pair_table`. `question` is what the
    comparison asks. p_holm corrects over all rows of this table, n_corrected is how many have a p-value (in
    `quality_pairs.csv` it is over the comparisons of one kind). `verdict` says in words what the interval and
    the corrected p-value show. Empty where nothing is known to be right. Checked against a hand-worked table.
    """
    if pairs.empty:
        return pd.DataFrame()
    places = {pair: n for n, pair in enumerate(zip(pairs["arm_a"], pairs["arm_b"], strict=True))}
    there = [pair for pair in wanted if pair in places]
    shown = [name for name in ("arm_a", "arm_b", *_PAIR) if name in pairs.columns]
    table = pairs.iloc[[places[pair] for pair in there]][shown].reset_index(drop=True)
    table.insert(0, "question", [TUNING if roles.get(b) == UNTUNED else BASELINE for _, b in there])
    p_values = table[_p_name(table)].to_numpy(dtype=float) if len(table) else np.zeros(0)
    table["p_holm"], table["n_corrected"] = holm(p_values), int((~np.isnan(p_values)).sum())
    table["verdict"] = [verdict(row) for row in records(table)]
    return table


def _p_name(table: pd.DataFrame) -> str:
    return "p_value" if "accuracy_difference" in table.columns else "error_p"


def verdict(row: Mapping[str, Any]) -> str:
    """What one comparison shows, in words: of an interval around zero, that nothing is decided."""
    by_label = not math.isnan(row.get("accuracy_difference", math.nan))
    low, high = (row.get(f"{'' if by_label else 'error_'}ci_{end}", math.nan) for end in ("low", "high"))
    if math.isnan(low):
        return str(row.get("note") or "not testable")
    if low <= 0 <= high:
        return "not decided: the interval holds zero, so neither a difference nor its absence is shown"
    better = low > 0 if by_label else high < 0
    found = f"{'better' if better else 'worse'}: " + ("right " if by_label else "the score's error is ")
    found += ("more often" if better else "less often") if by_label else ("smaller" if better else "larger")
    if row["p_holm"] <= SIGNIFICANT:
        return found
    return f"{found} by this comparison alone; not after Holm's correction for {row['n_corrected']} of them"
