"""Is the fine-tuned model right as often as the base model it was made from?

In: `Grades`, and which arm is the base of which. Out: the answers of `bench.analysis.questions.quality`,
with the base model at the same quantization in the place of the baseline. A baseline is asked too: it may be
one quantization of a fine-tuned model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from bench.analysis.frames import IntArray
from bench.analysis.questions import Evidence, quality, undecided

ORDER = -1
ASKS = "Is the fine-tuned model right as often as its base?"
UNIT = "rate"
COMPARES_SCORES = False
OTHER = "the base model"
NO_BASE = "no base model to compare with: not fine-tuned, none at this quantization, or it is the baseline"


def applies(evidence: Evidence) -> bool:
    """Only where something is known to be right; it applies to no arm without a base."""
    return quality.applies(evidence)


def judge(evidence: Evidence) -> pd.DataFrame:
    """Drop of accuracy (or rise of the error), base minus fine-tuned, against `quality_drop`.

    Unit, bounds, what is undefined and checks: as `quality.judge`; the floor is not asked again. It applies
    to no arm without a base (`Evidence.base`).
    """
    made = undecided(evidence, NO_BASE, UNIT, applies=False)
    base = evidence.base
    if base is None or evidence.grades is None:
        return made
    there = np.flatnonzero(base >= 0)
    if not len(there):
        return made
    found = quality.against(_chosen(evidence, base, there), evidence.grades, OTHER)
    found = found if "unit" in found.columns else found.assign(unit=UNIT)
    places = pd.Index(there)
    kept = made[~made.index.isin(places)]
    frames = [frame for frame in (kept, found.set_axis(places)) if len(frame)]
    return pd.concat(frames).sort_index()[list(made.columns)]


def alone(evidence: Evidence) -> pd.DataFrame:
    """The same: it needs no baseline."""
    return judge(evidence)


def _chosen(evidence: Evidence, base: IntArray, there: IntArray) -> Evidence:
    """Those arms, each with its base in the place of the baseline."""
    return replace(
        evidence,
        a=evidence.a[there],
        b=base[there],
        icc=evidence.icc[there],
        icc_limit=evidence.icc_limit[there],
        base=None,
    )
