"""Does quantization hurt a fine-tuned model more than its base? Two-way repeated measures.

In: the grid and the arms. Out: `interaction.csv`, one row per family in which two variants share two
quantizations: the effect of the variant, of the quantization, and whether the one depends on the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.cells import Grid
from bench.analysis.comparisons import BASE_VARIANT, Arm, arms_of
from bench.analysis.frames import FloatArray

EFFECTS = ("variant", "quant", "interaction")
STATISTICS = ("f", "dof1", "dof2", "p_value", "gg_epsilon", "p_gg")
INTERACTION_COLUMNS = (
    "family", "backend", "output", "prompt_style", "variants", "quants", "n_articles",
    *(f"{effect}_{name}" for effect in EFFECTS for name in STATISTICS), "note",
)  # fmt: skip


class Square(NamedTuple):
    """Arms that fill a variant x quant square of one family."""

    family: str
    backend: str
    output: str
    prompt_style: str
    """The common style, or every variant's own."""
    variants: tuple[str, ...]
    quants: tuple[str, ...]
    arms: tuple[str, ...]
    """Ids by variant, then quant."""
    note: str


def interaction_table(grid: Grid, arms: pd.DataFrame) -> pd.DataFrame:
    """`interaction.csv`: one row per family (and backend, output and style, where it has several).

    Unit: the article, complete ones only: a valid answer in every arm of the square. Variants take
    part with the quantizations that all of them have. Sources and limits: `two_way`.
    """
    made = []
    for square in squares(arms_of(arms)):
        means = grid.score_mean[[grid.row(arm) for arm in square.arms]].T
        complete = means[~np.isnan(means).any(axis=1)]
        tested = two_way(complete, len(square.variants), len(square.quants))
        reasons = [square.note, *_untestable(complete, tested)]
        made.append(
            {
                **square._asdict(),
                "variants": " ".join(square.variants),
                "quants": " ".join(square.quants),
                "n_articles": len(complete),
                **tested,
                "note": "; ".join(reason for reason in reasons if reason),
            }
        )
    return pd.DataFrame(made, columns=list(INTERACTION_COLUMNS))


def two_way(means: FloatArray, n_variants: int, n_quants: int) -> dict[str, float]:
    """Repeated-measures analysis of variance with two factors inside articles.

    `means` has an article a row and an arm a column, by variant, then quant. Unit: the article. Each
    effect is tested on its own orthonormal contrasts: F = (n |mean|^2 / p) / (residual / (p (n - 1))) with
    p = dof1; Greenhouse-Geisser epsilon from the contrasts' covariance, 1 where p = 1.
    Undefined (NaN): fewer than two articles, or no variation of an effect between articles.
    Checked against R's aov with Error(article / (variant * quant)) and car::Anova on llama3-instruct x
    llama3-sentiment_analysis, 1e-9 (`tests/reference/interaction.R`).
    """
    n = len(means)
    variant, quant = _contrasts(n_variants), _contrasts(n_quants)
    mean_v, mean_q = (np.full((k, 1), 1 / np.sqrt(k)) for k in (n_variants, n_quants))
    result = {f"{effect}_{name}": float("nan") for effect in EFFECTS for name in STATISTICS}
    effects = (np.kron(variant, mean_q), np.kron(mean_v, quant), np.kron(variant, quant))
    for effect, contrasts in zip(EFFECTS, effects, strict=True):
        p = contrasts.shape[1]
        y = means @ contrasts
        if n < 2 or p < 1 or rows.constant(y.T).all():
            continue
        centred = y - y.mean(axis=0)
        dof1, dof2 = float(p), float(p * (n - 1))
        f = float((n * (y.mean(axis=0) ** 2).sum() / dof1) / ((centred**2).sum() / dof2))
        covariance = centred.T @ centred / (n - 1)
        gg = float(np.trace(covariance) ** 2 / (p * (covariance**2).sum()))
        values = (f, dof1, dof2, float(rows.f_upper(f, dof1, dof2)), gg)
        corrected = float(rows.f_upper(f, dof1 * gg, dof2 * gg))
        result.update(zip((f"{effect}_{name}" for name in STATISTICS), (*values, corrected), strict=True))
    return result


def _contrasts(k: int) -> FloatArray:
    """k x (k - 1) orthonormal contrasts between k levels."""
    return np.asarray(np.linalg.qr(np.eye(k) - 1 / k)[0][:, : k - 1], dtype=np.float64)


def _untestable(means: FloatArray, tested: dict[str, float]) -> Iterator[str]:
    if len(means) < 2:
        yield f"not testable: {len(means)} article(s) with a valid answer in every arm"
        return
    for effect in EFFECTS:
        if np.isnan(tested[f"{effect}_f"]):
            yield f"{effect} not testable: every article moves alike"


def squares(arms: list[Arm]) -> list[Square]:
    """The variant x quant squares, at least 2 x 2, base first.

    Prompt styles may differ between variants only where each variant has one style; the note says so.
    """
    lines: dict[tuple[str, str, str], list[Arm]] = defaultdict(list)
    for arm in arms:
        if not arm.repeat_of:
            lines[arm.family, arm.backend, arm.output].append(arm)
    made: list[Square] = []
    for members in lines.values():
        styles: dict[str, set[str]] = defaultdict(set)
        for arm in members:
            styles[arm.variant].add(arm.prompt_style)
        if all(len(of_variant) == 1 for of_variant in styles.values()):
            made += _square(members)
        else:
            for style in sorted({arm.prompt_style for arm in members}):
                made += _square([arm for arm in members if arm.prompt_style == style])
    return made


def _square(members: list[Arm]) -> list[Square]:
    by_place = {(arm.variant, arm.quant): arm for arm in members}
    variants = list(dict.fromkeys(arm.variant for arm in members))
    variants.sort(key=lambda name: name != BASE_VARIANT)
    quants = list(dict.fromkeys(arm.quant for arm in members))
    common = [q for q in quants if all((v, q) in by_place for v in variants)]
    if len(variants) < 2 or len(common) < 2:
        return []
    styles = {v: by_place[v, common[0]].prompt_style for v in variants}
    one = len(set(styles.values())) == 1
    said = ", ".join(f"{v} {style}" for v, style in styles.items())
    left_out = [q for q in quants if q not in common]
    notes = [] if one else [f"prompt styles differ ({said}): models and prompts are compared together"]
    notes += [f"left out, not in every variant: {', '.join(left_out)}"] if left_out else []
    first = members[0]
    return [
        Square(
            first.family,
            first.backend,
            first.output,
            styles[variants[0]] if one else said,
            tuple(variants),
            tuple(common),
            tuple(by_place[v, q].arm for v in variants for q in common),
            "; ".join(notes),
        )
    ]
