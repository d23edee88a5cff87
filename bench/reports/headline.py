"""The verdicts in a few lines: which arms may be shipped, how sure that is, what they cost.

In: a GateResult. Out: lines for the head of the page, of the sheet Decision and for the terminal. The
evidence behind each line is in `bench.reports.decision`.
"""

from __future__ import annotations

from typing import NamedTuple

from bench.records import ArmVerdict, GateArm, GateResult


class Headline(NamedTuple):
    """What is said first."""

    summary: str
    """How many candidates may be shipped."""
    passing: tuple[GateArm, ...]
    """Those that may, the cheapest first."""
    others: tuple[tuple[ArmVerdict, tuple[str, ...]], ...]
    """The arms of every other verdict, the worst first; baselines are in none."""


def headline(gate: GateResult) -> Headline:
    """The arms by verdict."""
    passing = sorted((arm for arm in gate.arms if arm.verdict == "pass"), key=lambda arm: arm.rank or 0)
    worst_first: tuple[ArmVerdict, ...] = ("measurement_invalid", "fail", "not_enough_data")
    found = [(word, tuple(arm.arm for arm in gate.arms if arm.verdict == word)) for word in worst_first]
    others = tuple((word, arms) for word, arms in found if arms)
    n = len(passing) + sum(len(arms) for _, arms in others)
    if n == 0:
        short = "; ".join(f"{arm.arm}: {text}" for arm in gate.arms for text in _short_of_a_floor(arm))
        summary = "No arm is compared with a baseline, so none is judged" + (
            f", but it falls short by itself: {short}." if short else "."
        )
    elif not passing:
        summary = f"None of {n} candidates may be shipped on this evidence."
    elif len(passing) == 1:
        summary = f"1 of {n} candidates may be shipped: it passes every question."
    else:
        summary = f"{len(passing)} of {n} candidates may be shipped: they pass all questions. Cheapest first."
    return Headline(summary, tuple(passing), others)


def _short_of_a_floor(arm: GateArm) -> list[str]:
    """Why an arm that is compared with none fails what is asked of every arm."""
    return [answer.reason for answer in arm.questions.values() if answer.applies and answer.verdict == "fail"]


def certainty(arm: GateArm) -> str:
    """How sure a pass is; empty where no question has a p-value."""
    if arm.p_gate is None:
        return ""
    chance = max(100 * arm.p_gate, 0.1)
    return f"an arm just past a margin would look this good in at most {chance:.1f} % of runs"


def costs(arm: GateArm) -> str:
    """Seconds, size and memory, as far as they were measured."""
    said = []
    if arm.seconds_per_valid is not None:
        said.append(f"{arm.seconds_per_valid:.2f} s per valid answer")
    if arm.latency_ratio is not None:
        said.append(f"{arm.latency_ratio:.2f} times the baseline's seconds")
    if arm.file_bytes is not None:
        said.append(f"{arm.file_bytes / 1e6:.1f} MB")
    if arm.peak_memory_bytes is not None:
        said.append(f"{arm.peak_memory_bytes / 1e6:.0f} MB of memory")
    return ", ".join(said)


def about(arm: GateArm) -> str:
    """Right answers (where labels are known), costs and certainty in one phrase; empty without any."""
    quality = arm.questions.get("quality")
    right = quality.reason if quality is not None and quality.verdict == "pass" else ""
    return "; ".join(part for part in (right, costs(arm), certainty(arm)) if part)
