"""The gate's questions: is this arm as good as its baseline, within a margin?

In: an `Evidence` (the grid, which rows to compare, margins). Out: one frame a question with a row a
candidate: estimate, one-sided 95 % bounds, margin, verdict, reason, p-value and what would settle it.
The folder is the registry: a question is one file here with the names of `Question`. "Not
significant" is never a pass: bounds that straddle the margin are `not_enough_data`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
import pandas as pd

from bench import plugins
from bench.analysis import rows
from bench.analysis.cells import Grid
from bench.analysis.frames import BoolArray, FloatArray, IntArray, Thresholds
from bench.analysis.grading import Grades
from bench.config import GateConfig

ROOM = "analysis.questions"
MOST_UNANSWERED = 0.2
"""Questions about scores need at least 80 % of the articles answered by both arms."""
TAIL = 0.05
"""Error rate of each one-sided bound."""
MOST_NEEDED = 10_000
"""Beyond so many articles or iterations the answer is: no realistic number."""
_STEPS = np.arange(math.log(MOST_NEEDED) / math.log(1.02))


@dataclass(frozen=True)
class Evidence:
    """What the questions are answered from; row i compares grid row `a[i]` with its baseline `b[i]`."""

    grid: Grid
    a: IntArray
    """Grid rows of the candidates."""
    b: IntArray
    """Grid rows of their baselines."""
    margins: GateConfig
    icc: FloatArray
    """Per comparison: correlation of failures within an article; see `valid.pooled_icc`."""
    icc_limit: FloatArray
    """Per comparison: the correlation that an arm's failures do not rule out; see `valid.icc_limit`."""
    scale: float = 1.0
    """Half the task's score range: margins on the score are fractions of it."""
    thresholds: Thresholds = None
    """What turns a score into a label; None: the task has none."""
    has_score: bool = True
    """Whether the task has a score at all."""
    planning: bool = True
    """Whether to work out what would settle an open question; a simulation need not know."""
    grades: Grades | None = field(default=None, compare=False)
    """Answers held against labels and reference scores; None where nothing is known to be right."""
    base: IntArray | None = field(default=None, compare=False)
    """Per comparison: grid row of the base model of a fine-tuned `a`; -1 where it has none or that is `b`."""

    @property
    def answered_share(self) -> FloatArray:
        """Share of the run's articles with a valid answer in both arms, per comparison."""
        both = (self.grid.n_valid[self.a] > 0) & (self.grid.n_valid[self.b] > 0)
        return rows.divided(both.sum(axis=1), len(self.grid.articles))


class Question(Protocol):
    """What a file in this folder offers."""

    ORDER: int
    """Its place among the questions."""
    ASKS: str
    """The question in plain words."""
    UNIT: str
    """Unit of estimate, bounds and margin: rate, score or ratio."""
    COMPARES_SCORES: bool
    """Whether it needs 80 % of the articles answered by both arms."""

    def applies(self, evidence: Evidence) -> bool:
        """Whether the task has what is asked about."""
        ...

    def judge(self, evidence: Evidence) -> pd.DataFrame:
        """A row per comparison, made by `answers`."""
        ...

    def alone(self, evidence: Evidence) -> pd.DataFrame | None:
        """What can be said of the arms `a` without their baselines; None where nothing can."""
        ...


def names() -> tuple[str, ...]:
    """Every question in the gate's order."""
    return tuple(sorted(plugins.names(ROOM, ".py"), key=lambda name: (load(name).ORDER, name)))


def load(name: str) -> Question:
    """One question by its name."""
    return cast(Question, plugins.load(ROOM, name))


def judge(name: str, evidence: Evidence) -> pd.DataFrame:
    """One question about every comparison, with the rules that hold for all questions."""
    question = load(name)
    if not question.applies(evidence):
        return undecided(evidence, "the task has nothing of this kind", question.UNIT, applies=False)
    made = question.judge(evidence)
    made = made if "unit" in made.columns else made.assign(unit=question.UNIT)
    if question.COMPARES_SCORES:
        share = evidence.answered_share
        few = (share < 1 - MOST_UNANSWERED - 1e-9) & (made["verdict"] != "not_testable").to_numpy()
        reasons = [f"only {s:.0%} of the articles were answered by both arms; 80 % are needed" for s in share]
        made.loc[few, "verdict"] = "not_enough_data"
        made["reason"] = np.where(few, np.array(reasons, dtype=object), made["reason"])
        made.loc[few, ["n_articles_needed", "n_iterations_needed"]] = np.nan
    return made


def alone(name: str, evidence: Evidence, reason: str) -> pd.DataFrame:
    """One question about arms that stand without a baseline; `reason` says why where it cannot be asked."""
    question = load(name)
    applies = question.applies(evidence)
    made = question.alone(evidence) if applies else None
    if made is None:
        return undecided(evidence, reason, question.UNIT, applies=applies)
    return made.assign(unit=question.UNIT)


# ---------------------------------------------------------------- what questions are made with


def answers(
    *,
    estimate: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    margin: float | FloatArray,
    passes: BoolArray,
    fails: BoolArray,
    testable: BoolArray,
    p_value: FloatArray,
    reason: Sequence[str],
    n_articles_needed: FloatArray | None = None,
    n_iterations_needed: FloatArray | None = None,
) -> pd.DataFrame:
    """The frame of a question. What passes and fails alike is a fault of the caller."""
    word = np.select([~testable, passes, fails], ["not_testable", "pass", "fail"], "not_enough_data")
    open_yet = word == "not_enough_data"
    nothing = np.full(len(estimate), np.nan)

    def needed(number: FloatArray | None) -> FloatArray:
        return np.where(open_yet, nothing if number is None else number, np.nan)

    return pd.DataFrame(
        {
            "estimate": estimate,
            "lower": lower,
            "upper": upper,
            "margin": np.broadcast_to(np.asarray(margin, dtype=np.float64), estimate.shape),
            "verdict": pd.Series(word, dtype=object),
            "reason": pd.Series(list(reason), dtype=object),
            "p_value": np.where(testable, p_value, np.nan),
            "n_articles_needed": needed(n_articles_needed),
            "n_iterations_needed": needed(n_iterations_needed),
            "applies": True,
        }
    )


def undecided(evidence: Evidence, reason: str, unit: str, *, applies: bool) -> pd.DataFrame:
    """`not_testable` for every row, with one reason."""
    nan = np.full(len(evidence.a), np.nan)
    no = np.zeros(len(evidence.a), dtype=bool)
    made = answers(
        estimate=nan,
        lower=nan,
        upper=nan,
        margin=nan,
        passes=no,
        fails=no,
        testable=no,
        p_value=nan,
        reason=[reason] * len(nan),
    )
    return made.assign(unit=unit, applies=applies)


def t_bounds(mean: FloatArray, se: FloatArray, n: IntArray) -> tuple[FloatArray, FloatArray]:
    """One-sided 95 % t bounds over articles; no width where all articles agree, NaN below two articles."""
    half = rows.t_quantile(1 - TAIL, n - 1) * se
    return mean - half, mean + half


def fewest(settled: BoolArray, numbers: IntArray) -> float:
    """The first of `numbers` that settles a question; NaN where none does."""
    return float(numbers[settled.argmax()]) if settled.any() else float("nan")


def counts_above(n: int) -> IntArray:
    """Numbers of articles or iterations to try: n + 1 upwards to `MOST_NEEDED`, in steps of about 2 %."""
    return n + np.unique(np.ceil(1.02**_STEPS)).astype(np.int64)


def articles_for_bound(
    evidence: Evidence, estimate: FloatArray, sd: FloatArray, margin: float, n: IntArray
) -> FloatArray:
    """Fewest articles with which each bound stays within the margin, where planning is asked for."""
    needed = np.full(len(estimate), np.nan)
    if evidence.planning:
        for i in np.flatnonzero(n >= 2):
            needed[i] = articles_within(float(estimate[i]), float(sd[i]), margin, int(n[i]))
    return needed


def articles_within(estimate: float, sd: float, margin: float, n: int) -> float:
    """Fewest articles above n with which estimate + t_.95 sd / sqrt G is at most the margin, if both hold;
    NaN where no number would do."""
    if not (estimate < margin and sd > 0):
        return float("nan")
    tried = counts_above(n)
    half = rows.t_quantile(1 - TAIL, tried - 1) * sd / np.sqrt(tried)
    return fewest(estimate + half <= margin, tried)


def settle_words(n_articles: float, n_iterations: float) -> str:
    """What would settle a question, as the end of a sentence; empty where nothing would."""
    more = []
    if not np.isnan(n_articles):
        more.append(f"about {n_articles:.0f} articles")
    if not np.isnan(n_iterations):
        more.append(f"about {n_iterations:.0f} iterations on these articles")
    return f"; {' or '.join(more)} would settle it" if more else ""
