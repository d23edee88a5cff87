"""The range of a task's score and the order of its arms: what all reports show alike.

In: a manifest and the arms that a table names. Out: limits for colour scales, and arms by family and
variant with their quantizations from coarse to fine. Order is for the eye only; no number depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from bench.records import Manifest, ModelSpec

_BITS = re.compile(r"\d+")
_SIZES = {"XXS": 0, "XS": 1, "S": 2, "M": 3, "L": 4, "XL": 5}


class ArmPlace(NamedTuple):
    """One arm where it stands in a picture or a sheet."""

    arm: str
    """Its id."""
    group: tuple[str, ...]
    """Family, variant and what else the group has in common; empty for an arm the manifest lacks."""
    quant: str
    """Its quantization; the whole id for an arm the manifest lacks."""
    name: str
    """What it is called beside the others of its group."""
    repeats: bool = False
    """Whether it is an A/A arm: a second measurement of another one, and no candidate."""


def score_limits(manifest: Manifest) -> tuple[float, float]:
    """Smallest and largest score the task allows; -1 to 1 where it does not say."""
    schema: Any = manifest.task.get("answer") or {}
    for field in schema.get("fields", ()):
        if field.get("name") == schema.get("score"):
            low, high = field.get("minimum"), field.get("maximum")
            if low is not None and high is not None and low < high:
                return float(low), float(high)
    return -1.0, 1.0


def quant_order(quant: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    """A sort key: bits first (q4 < q5 < q8 < fp16), then S < M < L, then the name."""
    bits = _BITS.search(quant)
    parts = tuple((_SIZES.get(part, -1), part) for part in quant.split("_"))
    return int(bits[0]) if bits else 1_000, parts


def arms_in_order(manifest: Manifest, arms: Iterable[str]) -> list[ArmPlace]:
    """The arms by family and variant in the manifest's order, quantizations from coarse to fine."""
    specs = {record.arm: record.spec for record in manifest.arms}
    families = list(dict.fromkeys(spec.family for spec in specs.values()))
    groups = list(dict.fromkeys(_group(spec) for spec in specs.values()))
    places = [_place(arm, specs.get(arm)) for arm in dict.fromkeys(arms)]

    def key(place: ArmPlace) -> tuple[Any, ...]:
        if not place.group:
            return len(families), 0, (0, ()), place.arm
        return families.index(place.group[0]), groups.index(place.group), quant_order(place.quant), place.arm

    return sorted(places, key=key)


def _place(arm: str, spec: ModelSpec | None) -> ArmPlace:
    if spec is None:
        return ArmPlace(arm, (), arm, arm)
    return ArmPlace(arm, _group(spec), spec.quant, spec.short_name, spec.repeat_of is not None)


def names_in_full(places: Sequence[ArmPlace]) -> list[str]:
    """The arms' names in one line each, with the backend where they differ in theirs."""
    one_backend = len({place.group[2:3] for place in places}) == 1
    return [
        " ".join([*place.group[:2], *(() if one_backend else place.group[2:3]), *place.group[3:], place.name])
        for place in places
    ]


def _group(spec: ModelSpec) -> tuple[str, ...]:
    style = () if spec.prompt_style == "zero_shot" else (spec.prompt_style,)
    return (
        spec.family,
        spec.variant,
        spec.backend,
        *style,
        *(() if spec.output == "free" else (spec.output,)),
    )


def has_score(manifest: Manifest) -> bool:
    """Whether the task asks for a score at all; a task of bare labels does not."""
    answer = manifest.task.get("answer")
    return answer is None or answer.get("score") is not None
