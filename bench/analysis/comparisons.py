"""Which arms are compared with which, and why.

In: the arms' fields and the configured pairs. Out: one `Comparison` a row of `pairs.csv`, A minus B.
Identity is fields: nothing is decided by parsing a name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

BASELINE_QUANTS = ("fp16", "bf16", "fp32")
"""What a group is compared with when the config names nothing, in order of preference."""
BASE_VARIANT = "base"


class Arm(NamedTuple):
    """The fields of an arm that decide what it is compared with."""

    arm: str
    family: str
    variant: str
    quant: str
    backend: str
    prompt_style: str
    output: str
    group: str
    repeat_of: str
    """The arm that an A/A arm repeats; empty for every other arm."""


class Comparison(NamedTuple):
    """One pair of arms, A minus B."""

    kind: str
    """`quantization`, `fine_tuning`, `engine`, `custom` or `aa`."""
    arm_a: str
    arm_b: str
    note: str = ""
    """What a reader must know: differing prompt styles, differing engines."""


def arms_of(frame: pd.DataFrame) -> list[Arm]:
    """The rows of an arms frame as records, in manifest order."""
    columns = [frame[name].astype(object).fillna("").astype(str) for name in Arm._fields]
    return [Arm(*fields) for fields in zip(*columns, strict=True)]


def grouped(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    """Arms by group, in order of first appearance; repeats of an arm are in none."""
    groups: dict[str, list[Arm]] = defaultdict(list)
    for arm in arms:
        if not arm.repeat_of:
            groups[arm.group].append(arm)
    return dict(groups)


def group_baseline(group: Sequence[Arm], baseline: str | None) -> Arm | None:
    """The arm of one group that its other quantizations are compared with; None if it has none.

    `baseline` is the configured quant or the id of an arm; where the group has neither, fp16, then
    bf16, then fp32.
    """
    for arm in group:
        if baseline is not None and baseline in (arm.arm, arm.quant):
            return arm
    by_quant = {arm.quant: arm for arm in group}
    return next((by_quant[quant] for quant in BASELINE_QUANTS if quant in by_quant), None)


def baseline_arms(frame: pd.DataFrame, baseline: str | None = None) -> dict[str, str]:
    """The baseline's arm id of every group that has one."""
    found = {name: group_baseline(group, baseline) for name, group in grouped(arms_of(frame)).items()}
    return {name: reference.arm for name, reference in found.items() if reference is not None}


def base_arms(frame: pd.DataFrame) -> dict[str, str]:
    """The arm of the base model at the same quantization, by fine-tuned arm; as the comparisons' rows."""
    return {tuned: base for _, tuned, base in _fine_tunings(arms_of(frame))}


def make_comparisons(
    frame: pd.DataFrame, configured: Sequence[tuple[str, str]], baseline: str | None = None
) -> list[Comparison]:
    """All comparisons: quantizations, fine-tuning, each A/A arm against the arm it repeats, the same model
    and quantization on two engines, then the configured ones that are none of these.

    A pair is there once: the configured orientation wins, the automatic kind stays. ValueError for a
    configured arm that is not in the frame or that is compared with itself (callers resolve short
    forms and tell the user).
    """
    arms = arms_of(frame)
    by_id = {arm.arm: arm for arm in arms}
    for a, b in configured:
        if a not in by_id or b not in by_id or a == b:
            raise ValueError(f"cannot compare {a!r} with {b!r}")
    order = {frozenset(pair): pair for pair in configured}
    made: dict[frozenset[str], Comparison] = {}
    for kind, a, b in [
        *_quantizations(arms, baseline),
        *_fine_tunings(arms),
        *_repeats(arms),
        *_engines(arms),
    ]:
        key = frozenset((a, b))
        made.setdefault(key, _comparison(kind, order.get(key, (a, b)), by_id))
    for key, pair in order.items():
        made.setdefault(key, _comparison("custom", pair, by_id))
    return list(made.values())


def _comparison(kind: str, pair: tuple[str, str], by_id: dict[str, Arm]) -> Comparison:
    a, b = (by_id[arm] for arm in pair)
    notes = []
    if a.prompt_style != b.prompt_style:
        styles = f"{a.prompt_style} against {b.prompt_style}"
        notes.append(f"prompt styles differ, {styles}: models and prompts are compared together")
    if a.backend != b.backend:
        engines = f"{a.backend} against {b.backend}"
        notes.append(f"engines differ, {engines}: models and engines are compared together")
    return Comparison(kind, a.arm, b.arm, "; ".join(notes))


def _engines(arms: Sequence[Arm]) -> Iterator[tuple[str, str, str]]:
    """The same model, quantization, prompts and output on two engines; the earlier backend is B."""
    lines: dict[tuple[str, ...], list[Arm]] = defaultdict(list)
    for arm in arms:
        if not arm.repeat_of:
            lines[arm.family, arm.variant, arm.quant, arm.prompt_style, arm.output].append(arm)
    for line in lines.values():
        pairs = ((a, b) for i, a in enumerate(line) for b in line[i + 1 :])
        yield from (("engine", b.arm, a.arm) for a, b in pairs if a.backend != b.backend)


def _quantizations(arms: Sequence[Arm], baseline: str | None) -> Iterator[tuple[str, str, str]]:
    for group in grouped(arms).values():
        reference = group_baseline(group, baseline)
        if reference is not None:
            yield from (("quantization", a.arm, reference.arm) for a in group if a is not reference)


def _repeats(arms: Sequence[Arm]) -> Iterator[tuple[str, str, str]]:
    """The same model against itself with other seeds: what a difference of nothing looks like."""
    known = {arm.arm for arm in arms}
    yield from (("aa", arm.arm, arm.repeat_of) for arm in arms if arm.repeat_of in known - {arm.arm})


def _fine_tunings(every_arm: Sequence[Arm]) -> Iterator[tuple[str, str, str]]:
    """Every other variant against base at the same quant; across styles only where each has just one."""
    arms = [arm for arm in every_arm if not arm.repeat_of]
    styles: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for arm in arms:
        styles[arm.family, arm.backend, arm.output, arm.variant].add(arm.prompt_style)
    for tuned in (arm for arm in arms if arm.variant != BASE_VARIANT):
        line = (tuned.family, tuned.backend, tuned.output)
        single = len(styles[*line, tuned.variant]) == len(styles[*line, BASE_VARIANT]) == 1
        for base in arms:
            comparable = (base.family, base.backend, base.output) == line and base.quant == tuned.quant
            if base.variant != BASE_VARIANT or not comparable:
                continue
            if single or base.prompt_style == tuned.prompt_style:
                yield "fine_tuning", tuned.arm, base.arm


def baseline_notes(frame: pd.DataFrame, baseline: str | None = None) -> list[str]:
    """What a reader must be told about baselines: groups that have none, or not the configured one."""
    notes = []
    arms = arms_of(frame)
    for name, group in grouped(arms).items():
        if len(group) > 1 and group_baseline(group, baseline) is None:
            quants = ", ".join(arm.quant for arm in group)
            notes.append(f"{name}: no baseline among {quants}; set `baseline` in the config to compare them")
    if baseline is not None and not any(baseline in (arm.arm, arm.quant) for arm in arms):
        notes.append(no_such_baseline(baseline))
    return notes


def no_such_baseline(baseline: str) -> str:
    """What is said of a configured baseline that fits nothing."""
    return f"baseline {baseline}: no arm of this run has it, so the usual ones were used"
