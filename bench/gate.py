"""Statistics and margins to verdicts: which arm may be deployed, how sure that is.

    run --gate_evidence--> answers of analysis.questions --this file--> GateResult

In: a run folder and what the present config says about margins and baseline (never what the manifest
says). Out: a GateResult. It writes nothing and counts no reading: `bench.gate_reading` does. The
statistics of a question are in `bench/analysis/questions/`, one file each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.arm_names import fitting_arms
from bench.config import Config, GateConfig
from bench.gate_evidence import (
    Measured,
    answers,
    common_baseline,
    faults,
    measured,
    notes,
    numbers,
    reference_arms,
    settings_notes,
)
from bench.records import ArmVerdict, GateAnswer, GateArm, GateResult

SIGNIFICANT = 0.05
WORST_FIRST: tuple[ArmVerdict, ...] = ("measurement_invalid", "fail", "not_enough_data", "pass")
EXIT_CODES: dict[ArmVerdict, int] = {"measurement_invalid": 4, "fail": 1, "not_enough_data": 3, "pass": 0}


def judge_run(run_dir: Path, config: Config | None = None, baseline: str | None = None) -> GateResult:
    """The verdict on every arm of a run. `baseline` (an arm for all, or a quant for each group) overrides
    the config's. UsageError for an unknown baseline or a run without samples."""
    settings = (config.gate, config.baseline) if config else (GateConfig(), None)
    return judge(measured(run_dir), *settings, baseline)


def judge(
    data: Measured, margins: GateConfig, configured: str | None = None, asked: str | None = None
) -> GateResult:
    """The verdict on every arm; `configured` is the config's baseline, `asked` the user's."""
    from bench.analysis import questions

    compared = reference_arms(data.arms, configured, asked)
    references = {arm for arm in compared.values() if arm is not None}
    found, invalid, costs = answers(data, margins, compared), faults(data), numbers(data, margins, compared)
    arms = []
    for arm, base in compared.items():
        is_baseline = arm in references
        reasons = [text for name in dict.fromkeys((arm, base)) if name for text in invalid[name]]
        verdict, why = arm_verdict(found[arm], reasons, is_baseline=is_baseline)
        arms.append(
            GateArm(
                arm=arm,
                verdict=verdict,
                baseline=None if is_baseline else base,
                reasons=why,
                questions=found[arm],
                p_gate=None if is_baseline else p_gate(found[arm]),
                **costs[arm],
            )
        )
    result = GateResult(
        run_id=data.manifest.run_id,
        baseline=common_baseline(data.arms, references),
        margins=margins.model_dump(exclude_none=True),
        exit_code=0,
        asked={name: questions.load(name).ASKS for name in questions.names()},
        notes=(*notes(data), *settings_notes(data, margins, configured, asked)),
        arms=tuple(arms),
    )
    return chosen(result)


# ---------------------------------------------------------------- which arms


def chosen(result: GateResult, patterns: Sequence[str] = (), *, family_wise: bool = False) -> GateResult:
    """Only the arms that fit a pattern, with their baselines; Holm's correction over those candidates.

    A pattern is a glob over arm ids (or over an id's end, after a `/`), or an arm's short form.
    UsageError for a pattern that fits nothing.
    """
    known = [arm.arm for arm in result.arms]
    wanted = {arm for pattern in patterns for arm in fitting_arms(pattern, known)} if patterns else set(known)
    baselines = {arm.baseline for arm in result.arms if arm.arm in wanted}
    kept = tuple(arm for arm in result.arms if arm.arm in wanted | baselines)
    only = {arm.baseline for arm in kept if arm.baseline}
    only |= {arm.arm for arm in kept if arm.verdict == "baseline"}
    update = {
        "arms": _corrected(kept, family_wise),
        "family_wise": family_wise,
        "baseline": next(iter(only)) if len(only) == 1 else result.baseline,
    }
    return ranked(result.model_copy(update=update))


# ---------------------------------------------------------------- verdicts


def arm_verdict(
    found: Mapping[str, GateAnswer], invalid: Sequence[str], *, is_baseline: bool
) -> tuple[ArmVerdict, tuple[str, ...]]:
    """The worst of what was found: measurement_invalid > fail > not_enough_data > pass."""
    if invalid:
        return "measurement_invalid", tuple(invalid)
    if is_baseline:
        return "baseline", tuple(f"{n}: {a.reason}" for n, a in found.items() if a.verdict == "fail")
    for verdict, words in _DECIDED_BY.items():
        asked = [(name, answer) for name, answer in found.items() if answer.applies]
        deciding = tuple(f"{name}: {answer.reason}" for name, answer in asked if answer.verdict in words)
        if deciding:
            return verdict, deciding
    return "pass", ()


_DECIDED_BY: dict[ArmVerdict, tuple[str, ...]] = {
    "fail": ("fail",),
    "not_enough_data": ("not_enough_data", "not_testable"),
}


def p_gate(found: Mapping[str, GateAnswer]) -> float | None:
    """The largest one-sided p of the questions (intersection-union); None if one cannot be tested.

    A pass without p (an interval without width) does not raise it.
    """
    asked = [answer for answer in found.values() if answer.applies]
    if any(answer.verdict == "not_testable" for answer in asked):
        return None
    return max((answer.p_value for answer in asked if answer.p_value is not None), default=None)


def _corrected(arms: Sequence[GateArm], family_wise: bool) -> tuple[GateArm, ...]:
    """Holm over the candidates: what cannot be tested counts with p = 1."""
    import numpy as np

    from bench.analysis.correction import holm

    judged = candidates(arms)
    adjusted = holm(np.array([1.0 if arm.p_gate is None else arm.p_gate for arm in judged], dtype=float))
    family = {arm.arm: float(p) for arm, p in zip(judged, adjusted, strict=True)}
    return tuple(_with_family(arm, family.get(arm.arm), family_wise) for arm in arms)


def _with_family(arm: GateArm, p: float | None, family_wise: bool) -> GateArm:
    update: dict[str, Any] = {"p_family": p if arm.p_gate is not None else None}
    if family_wise and arm.verdict == "pass" and p is not None and p > SIGNIFICANT:
        reason = f"family-wise: it passes alone, but Holm over the candidates raises p to {p:.3f}"
        update |= {"verdict": "not_enough_data", "reasons": (reason,), "rank": None}
    return arm.model_copy(update=update)


def candidates(arms: Sequence[GateArm]) -> list[GateArm]:
    """The arms that are judged: those that no other is compared with."""
    references = {arm.baseline for arm in arms} | {arm.arm for arm in arms if arm.verdict == "baseline"}
    return [arm for arm in arms if arm.arm not in references]


def ranked(result: GateResult) -> GateResult:
    """The result with its exit code, and ranks for the arms that pass."""
    passing = [arm for arm in result.arms if arm.verdict == "pass"]

    def cost(arm: GateArm) -> list[float]:
        costs = (arm.seconds_per_valid, arm.file_bytes, arm.peak_memory_bytes)
        return [math.inf if value is None else value for value in costs]

    order = {arm.arm: place for place, arm in enumerate(sorted(passing, key=cost), 1)}
    arms = tuple(arm.model_copy(update={"rank": order.get(arm.arm)}) for arm in result.arms)
    return result.model_copy(update={"arms": arms, "exit_code": _exit_code(arms)})


def _exit_code(arms: Sequence[GateArm]) -> int:
    """The worst candidate's; where only baselines are judged, that of their absolute questions."""
    judged = candidates(arms)
    if judged:
        found = {arm.verdict for arm in judged}
    else:
        known = {name: a for arm in arms for name, a in arm.questions.items() if a.verdict != "not_testable"}
        invalid = [arm.arm for arm in arms if arm.verdict == "measurement_invalid"]
        found = {arm_verdict(known, invalid, is_baseline=False)[0]}
    return EXIT_CODES[next(verdict for verdict in WORST_FIRST if verdict in found)]
