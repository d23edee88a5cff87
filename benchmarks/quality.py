"""How often the gate's question about correctness errs, and whether the intervals of quality cover.

    python benchmarks/quality.py [--runs 400] [--seed 5] [--json]

An item has a chance of being answered rightly (bimodal, .8 on average: most items are nearly always right,
some nearly never); baseline and candidate draw their answers from it apart. Scenarios change the candidate:
`identical` nothing; the others lower its accuracy to just past the margin of 2 points, by items that turn
wholly (`flips`), by many items that turn both ways (`churn`) or by a little everywhere (`spread`). Out: the
share of runs in which the question says pass, fail and not enough data. Then the coverage of the 95 %
intervals of accuracy, macro F1, balanced accuracy and Matthews correlation, three labels of 60, 30 and 10 %.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.analysis import questions
from bench.analysis.cells import Grid
from bench.analysis.confusion import FIGURES, bounds, extremes, resampled, summed
from bench.analysis.frames import FloatArray, IntArray
from bench.analysis.grading import Grades
from bench.analysis.quality import accuracies
from bench.analysis.questions import Evidence
from bench.config import GateConfig

MARGIN = GateConfig().quality_drop
PAST = 1.02
"""Just past a margin: 2 % beyond it."""
SIZES = ((60, 5), (150, 1), (150, 15), (300, 5), (1000, 5))
"""Items and iterations."""
LABEL_SHARES = (0.6, 0.3, 0.1)
Change = Callable[[FloatArray, np.random.Generator], FloatArray]
"""The candidate's chances, made from the baseline's."""


def chances(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Run x item: the chance that an answer is right, bimodal with mean .8."""
    return rng.beta(0.4, 0.1, shape)


def identical(p: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The same chances."""
    return p


def flips(p: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Some items are never right any more."""
    return np.where(rng.random(p.shape) < PAST * MARGIN / 0.8, 0.0, p)


def churn(p: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A tenth of the items draws new chances, and some more are never right any more."""
    drawn = np.where(rng.random(p.shape) < 0.1, chances((p.shape[0], p.shape[1]), rng), p)
    return flips(drawn, rng)


def spread(p: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Every item's chance is lowered in proportion."""
    return p * (1 - PAST * MARGIN / 0.8)


def verdicts(baseline: FloatArray, candidate: FloatArray, iterations: int, rng: np.random.Generator) -> Any:
    """The question's verdict on every run."""
    n_runs, n_items = baseline.shape
    right: IntArray = rng.binomial(iterations, np.concatenate([candidate, baseline])).astype(np.int64)
    nan = np.full(right.shape, np.nan)
    grades = Grades(
        arms=tuple(str(row) for row in range(2 * n_runs)),
        articles=tuple(str(item) for item in range(n_items)),
        labels=("right",),
        truth=np.zeros(n_items, dtype=np.int64),
        n_strange=0,
        answers=np.stack([right, iterations - right]),
        n_failed=np.zeros(right.shape, dtype=np.int64),
        reference=nan[0],
        score_mean=nan,
        error=nan,
        error_absolute=nan,
        error_squared=nan,
    )
    none = np.zeros(right.shape, dtype=np.int64)
    grid = Grid(
        grades.arms,
        grades.articles,
        none,
        none,
        none,
        nan,
        nan,
        nan,
        nan,
        nan,
        nan,
        nan,
        nan,
        nan,
        none[None],
    )
    places = np.arange(n_runs)
    unknown = np.full(n_runs, np.nan)
    evidence = Evidence(
        grid, places, places + n_runs, GateConfig(), unknown, unknown, planning=False, grades=grades
    )
    return questions.judge("quality", evidence)["verdict"]


def error_rates(n_runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """One row per scenario and size."""
    for change in (identical, flips, churn, spread):
        for n_items, iterations in SIZES:
            baseline = chances((n_runs, n_items), rng)
            said = verdicts(baseline, change(baseline, rng), iterations, rng)
            shares = {word: float((said == word).mean()) for word in ("pass", "fail", "not_enough_data")}
            yield {"scenario": change.__name__, "items": n_items, "iterations": iterations, **shares}


# ---------------------------------------------------------------- coverage


def answered(truth: IntArray, rng: np.random.Generator, iterations: int) -> FloatArray:
    """Item x label x (label + 1): shares of each item's answers; hard items are often answered otherwise."""
    p = chances((1, len(truth)), rng)[0]
    matrices = np.zeros((len(truth), 3, 4))
    for item, (label, chance) in enumerate(zip(truth, p, strict=True)):
        others = np.full(4, (1 - chance) / 3)
        others[label] = chance
        matrices[item, label] = rng.multinomial(iterations, others) / iterations
    return matrices


def coverage(n_runs: int, n_items: int, rng: np.random.Generator) -> dict[str, Any]:
    """Share of runs whose interval holds the figure of very many items."""
    labels = np.arange(3)
    many = summed(answered(rng.choice(labels, 40_000, p=LABEL_SHARES), rng, 5))
    held = dict.fromkeys([*FIGURES, "accuracy t", "accuracy bounded"], 0)
    accuracy = float(np.trace(many[:, :3]) / many.sum())
    for _ in range(n_runs):
        matrices = answered(rng.choice(labels, n_items, p=LABEL_SHARES), rng, 5)
        draws, whole = resampled(matrices), summed(matrices)
        for name, figure in FIGURES.items():
            span = bounds(figure, extremes(matrices, draws), float(figure(whole)), n_items)
            held[name] += span.low <= float(figure(many)) <= span.high
        found = accuracies(_graded(matrices)).iloc[0]
        for name, kind in (("accuracy t", "ci"), ("accuracy bounded", "bounded")):
            held[name] += found[f"accuracy_{kind}_low"] <= accuracy <= found[f"accuracy_{kind}_high"]
    return {"items": n_items, **{name: count / n_runs for name, count in held.items()}}


def _graded(matrices: FloatArray) -> Grades:
    """One arm with these shares, five answers an item."""
    truth = matrices.sum(axis=2).argmax(axis=1)
    answers = np.rint(5 * matrices.sum(axis=1)).astype(np.int64)
    nan = np.full((1, len(truth)), np.nan)
    none = np.zeros((1, len(truth)), dtype=np.int64)
    names = tuple(str(item) for item in range(len(truth)))
    return Grades(
        ("a",), names, ("x", "y", "z"), truth, 0, answers.T[:, None, :], none, nan[0], nan, nan, nan, nan
    )


def main() -> None:
    """Run it and print the shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    made = [*error_rates(given.runs, rng), *(coverage(given.runs, n, rng) for n in (30, 100, 300))]
    if given.json:
        print(json.dumps(made, indent=1))
        return
    for row in made:
        words = (
            f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row.items()
        )
        print("  ".join(words))


if __name__ == "__main__":
    main()
