"""Do the examples pay for themselves, and does the fine-tune pay for the examples it saves?

In: samples, timings, the grid, the arms and (where items have right answers) `Grades`. Out:
`prompt_styles.csv`: arms that differ in their prompt style, with what each is worth and what it costs.
Training costs are in no column. The gate asks nothing of this; it decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.cells import Grid
from bench.analysis.comparisons import BASE_VARIANT, Arm, Comparison, arms_of
from bench.analysis.correction import holm
from bench.analysis.frames import FloatArray, IntArray
from bench.analysis.grading import Grades
from bench.analysis.latency import latency_ratio
from bench.analysis.paired import paired_t, untestable_reason
from bench.analysis.sentences import records

SHOTS = "shots"
"""One model with the examples (A) against itself without (B)."""
TUNING = "tuning_for_shots"
"""A fine-tuned model without examples (A) against its base with them (B)."""
_ZERO, _FEW = "zero_shot", "few_shot"
_LOWER_IS_BETTER = "absolute_error"
_COSTS = (
    "prompt_tokens_a", "prompt_tokens_b", "completion_tokens_a", "completion_tokens_b", "tokens_ratio",
    "tokens_per_good_a", "tokens_per_good_b", "seconds_a", "seconds_b", "seconds_per_good_a",
    "seconds_per_good_b",
)  # fmt: skip


def style_pairs(arms: pd.DataFrame) -> list[Comparison]:
    """The pairs of arms that answer one of the two questions; A/A arms are in none."""
    known = [arm for arm in arms_of(arms) if not arm.repeat_of]
    return [
        Comparison(kind, a.arm, b.arm)
        for a in known
        for b in known
        if (kind := _kind(a, b)) is not None and _same_line(a, b)
    ]


def _same_line(a: Arm, b: Arm) -> bool:
    return (a.family, a.quant, a.backend, a.output) == (b.family, b.quant, b.backend, b.output)


def _kind(a: Arm, b: Arm) -> str | None:
    styles = (a.prompt_style, b.prompt_style)
    if styles == (_FEW, _ZERO) and a.variant == b.variant:
        return SHOTS
    if styles == (_ZERO, _FEW) and b.variant == BASE_VARIANT != a.variant:
        return TUNING
    return None


def style_table(
    samples: pd.DataFrame, grid: Grid, arms: pd.DataFrame, grades: Grades | None = None
) -> pd.DataFrame:
    """`prompt_styles.csv`: one row per pair, A minus B, those about shots first.

    Unit: the article, those both arms were measured on, each weighing 1. `measure` is what is compared:
    the accuracy where items have labels, else the absolute error of the score where they have reference
    scores, else the valid rate, which says nothing about correctness. difference has a paired t interval
    and p; p_holm is corrected within each kind. score_difference is the shift of the mean score: a change,
    no improvement. Tokens are means over articles of the prompt's and the answer's; tokens_ratio is A / B
    of both together. tokens_per_good is tokens paid for a right answer (a valid one where nothing is known
    to be right), seconds_per_good the seconds; NaN where none was good. Seconds are those of answers made
    alone (latency samples); answers_per_s is the throughput of the whole run, in which examples that all
    prompts share are computed once. Undefined (NaN) as `paired_t`; `note` says why. `verdict` is better,
    worse or undecided (by p_holm at .05), then at less or more cost per good answer; `answer` says it in
    words. Checked against hand-worked examples.
    """
    pairs = sorted(style_pairs(arms), key=lambda pair: pair.kind == TUNING)
    table = pd.DataFrame(pairs, columns=list(Comparison._fields), dtype=object)[["kind", "arm_a", "arm_b"]]
    if not pairs:
        return table
    a = np.array([grid.row(pair.arm_a) for pair in pairs], dtype=np.int64)
    b = np.array([grid.row(pair.arm_b) for pair in pairs], dtype=np.int64)
    name, worth = _worth(grid, grades)
    per_s = arms.set_index("arm")["answers_per_s"].reindex(list(grid.arms)).to_numpy(dtype=float)
    parts = [
        _identity(arms, pairs),
        _difference(worth, a, b, table["kind"]).assign(measure=name),
        _score(grid, a, b),
        _cost(samples, grid, worth if name != _LOWER_IS_BETTER else grid.valid_rate, a, b),
        pd.DataFrame({"answers_per_s_a": per_s[a], "answers_per_s_b": per_s[b]}),
    ]
    table = pd.concat([table, *parts], axis=1)
    table["verdict"] = [_verdict(row) for row in records(table)]
    table["answer"] = [_answer(row) for row in records(table)]
    return table


def _identity(arms: pd.DataFrame, pairs: Sequence[Comparison]) -> pd.DataFrame:
    fields = ["family", "quant", "backend", "output"]
    return arms.set_index("arm").loc[[pair.arm_a for pair in pairs], fields].reset_index(drop=True)


def _worth(grid: Grid, grades: Grades | None) -> tuple[str, FloatArray]:
    """What makes an answer good, arm x article, and its name."""
    if grades is not None and grades.has_labels:
        return "accuracy", grades.right
    if grades is not None and grades.has_scores:
        return _LOWER_IS_BETTER, grades.error_absolute
    return "valid_rate", grid.valid_rate


def _difference(worth: FloatArray, a: IntArray, b: IntArray, kind: pd.Series) -> pd.DataFrame:
    both = ~np.isnan(worth[a]) & ~np.isnan(worth[b])
    of_a, of_b = np.where(both, worth[a], np.nan), np.where(both, worth[b], np.nan)
    found = paired_t(of_a - of_b)
    corrected = np.full(len(a), np.nan)
    for name in kind.unique():
        chosen = (kind == name).to_numpy()
        corrected[chosen] = holm(found["p_value"].to_numpy(dtype=float)[chosen])
    return pd.DataFrame(
        {
            "measure": "",
            "n_articles": found["n_articles"],
            "value_a": rows.mean(of_a),
            "value_b": rows.mean(of_b),
            "difference": found["mean_difference"],
            "ci_low": found["ci_low"],
            "ci_high": found["ci_high"],
            "p_value": found["p_value"],
            "p_holm": corrected,
            "note": untestable_reason(of_a - of_b),
        }
    )


def _score(grid: Grid, a: IntArray, b: IntArray) -> pd.DataFrame:
    found = paired_t(grid.score_mean[a] - grid.score_mean[b])
    named = {"mean_difference": "score_difference", "ci_low": "score_ci_low", "ci_high": "score_ci_high"}
    return found[list(named)].rename(columns=named)


def _cost(samples: pd.DataFrame, grid: Grid, good: FloatArray, a: IntArray, b: IntArray) -> pd.DataFrame:
    """Tokens and seconds of both arms over the articles that both were measured on."""
    both = (grid.n_measured[a] > 0) & (grid.n_measured[b] > 0)
    made: dict[str, FloatArray] = {}
    tokens = {name: _cells(samples, grid, name) for name in ("prompt_tokens", "completion_tokens")}
    seconds = np.where(~np.isnan(grid.duration_mean_s[a] + grid.duration_mean_s[b]), 1.0, np.nan)
    totals, timed = [], []
    for side, arm in (("a", a), ("b", b)):
        for name, cells in tokens.items():
            made[f"{name}_{side}"] = rows.mean(np.where(both, cells[arm], np.nan))
        totals.append(made[f"prompt_tokens_{side}"] + made[f"completion_tokens_{side}"])
        timed.append(rows.mean(grid.duration_mean_s[arm] * seconds))
    shares = [rows.mean(np.where(both, good[arm], np.nan)) for arm in (a, b)]
    made["tokens_ratio"] = rows.divided(*totals)
    for side, total, second, share in zip("ab", totals, timed, shares, strict=True):
        made[f"tokens_per_good_{side}"] = rows.divided(total, share)
        made[f"seconds_{side}"] = second
        made[f"seconds_per_good_{side}"] = rows.divided(second, share)
    ratio = latency_ratio(grid.log_duration_mean[a], grid.log_duration_mean[b])
    return pd.concat([pd.DataFrame(made)[list(_COSTS)], ratio], axis=1)


def _cells(samples: pd.DataFrame, grid: Grid, name: str) -> FloatArray:
    """Mean of a column of the samples, arm x article; NaN where nothing is known."""
    means = samples.groupby(["arm", "article_id"], observed=True)[name].mean().unstack()
    return means.reindex(index=list(grid.arms), columns=list(grid.articles)).to_numpy(dtype=float)


# ---------------------------------------------------------------- in words


def _verdict(row: dict[str, Any]) -> str:
    better = -row["difference"] if row["measure"] == _LOWER_IS_BETTER else row["difference"]
    decided = not math.isnan(row["p_holm"]) and row["p_holm"] <= 0.05
    word = ("better" if better > 0 else "worse") if decided else "undecided"
    return " at ".join([word, *_costs(row)])


def _costs(row: dict[str, Any]) -> Iterator[str]:
    """Whether a good answer of A costs less than one of B: in tokens where known, else in seconds."""
    for name in ("tokens_per_good", "seconds_per_good"):
        a, b = row[f"{name}_a"], row[f"{name}_b"]
        if not (math.isnan(a) or math.isnan(b)):
            yield "less cost" if a < b else "more cost" if a > b else "equal cost"
            return


def _answer(row: dict[str, Any]) -> str:
    who = "With its examples" if row["kind"] == SHOTS else "Fine-tuned, without examples"
    said = {"better": "does better", "worse": "does worse", "undecided": "no difference is shown"}
    word = said[row["verdict"].partition(" ")[0]]
    outcome = (
        f"{who}, {row['arm_a']} {word}" if word != said["undecided"] else f"{who}, {row['arm_a']}: {word}"
    )
    return f"{outcome} against {row['arm_b']}: {_worth_in_words(row)}{_cost_in_words(row)}."


def _worth_in_words(row: dict[str, Any]) -> str:
    scale, unit = (1, "") if row["measure"] == _LOWER_IS_BETTER else (100, " points")
    digits = 3 if scale == 1 else 1
    names = {"accuracy": "right answers", "valid_rate": "valid answers", _LOWER_IS_BETTER: "mean error"}
    if math.isnan(row["difference"]):
        return f"{names[row['measure']]} cannot be compared"
    low, high = scale * row["ci_low"], scale * row["ci_high"]
    span = "" if math.isnan(low) else f" ({low:+z.{digits}f} to {high:+z.{digits}f})"
    return f"{names[row['measure']]} {scale * row['difference']:+z.{digits}f}{unit}{span}"


def _cost_in_words(row: dict[str, Any]) -> str:
    said = []
    if not math.isnan(row["tokens_ratio"]):
        said.append(f"{row['tokens_ratio']:.2f} times the tokens")
    if not math.isnan(row["latency_ratio"]):
        said.append(f"{row['latency_ratio']:.2f} times the seconds")
    kind = "valid" if row["measure"] != "accuracy" else "right"
    a, b = row["tokens_per_good_a"], row["tokens_per_good_b"]
    if not (math.isnan(a) or math.isnan(b)):
        said.append(f"{a:,.0f} instead of {b:,.0f} tokens for a {kind} answer")
    return f"; {', '.join(said)}" if said else ""
