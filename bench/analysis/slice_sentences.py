"""What the slices say, in one plain sentence: where an arm is worse beyond chance, or that none is.

In: `slices.csv`. Out: text for the terminal, the sheet Slices and the page.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.analysis.sentences import SIGNIFICANT, records

MOST_NAMED = 4
WORDS = {
    "accuracy": "right answers",
    "accuracy_change": "right answers against the baseline",
    "error_absolute": "error of the score",
    "valid_rate": "valid answers",
}


def slice_sentences(slices: pd.DataFrame) -> list[str]:
    """One sentence, or none where no slice could be tested; p is Holm's over an arm's slices."""
    tested = [row for row in records(slices) if row["p_holm"] == row["p_holm"]]
    if not tested:
        return []
    worse = [row for row in tested if row["p_holm"] <= SIGNIFICANT and _is_worse(row)]
    if not worse:
        dimensions = ", ".join(dict.fromkeys(str(row["dimension"]) for row in tested))
        most = max(row["n_slices"] for row in tested)
        lower = sorted(filter(_is_worse, tested), key=_worst_first)
        return [
            f"No slice of the articles (by {dimensions}) is worse than the others beyond chance, with Holm's "
            f"correction over up to {most} slices of an arm"
            + (f"; the least likely by chance: {_said(lower[0])}." if lower else ".")
        ]
    worse.sort(key=_worst_first)
    more = len(worse) - MOST_NAMED
    rest = f"; and {more} more in slices.csv" if more > 0 else ""
    return [f"Worse than elsewhere: {'; '.join(map(_said, worse[:MOST_NAMED]))}{rest}."]


def _worst_first(row: dict[str, Any]) -> tuple[int, float, float]:
    """By measure in the order of WORDS, then by how unlikely it is."""
    return list(WORDS).index(row["measure"]), row["p_holm"], row["p_value"]


def _is_worse(row: dict[str, Any]) -> bool:
    return bool((row["difference"] < 0) == (row["measure"] != "error_absolute"))


def _said(row: dict[str, Any]) -> str:
    form = _number if row["measure"] == "error_absolute" else _percent
    span = "" if row["ci_low"] != row["ci_low"] else f" ({form(row['ci_low'])} to {form(row['ci_high'])})"
    return (
        f"{row['arm']}, {row['dimension']} {row['slice']} ({row['n_articles']} articles): "
        f"{WORDS[row['measure']]} {form(row['value'])}{span}, elsewhere {form(row['elsewhere'])}, "
        f"p {max(row['p_holm'], 0.001):.3f} after Holm"
    )


def _percent(share: float) -> str:
    return f"{100 * share:z.1f} %"


def _number(value: float) -> str:
    return f"{value:z.3f}"
