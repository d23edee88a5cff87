"""Evidence for the tests of the questions, from scores written down by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import questions
from bench.analysis.beta_binomial import icc_profile
from bench.analysis.cells import build_grid
from bench.analysis.frames import FloatArray, prepared
from bench.analysis.questions import Evidence
from bench.analysis.questions.valid import ICCS, failing_cells, icc_limit, pooled_icc
from bench.config import GateConfig
from tests.analysis.builders import arm_rows, sample_rows

THRESHOLDS = (-0.05, 0.05)
Scores = Sequence[Sequence[float]]
NAN = float("nan")


def evidence(candidate: Scores, baseline: Scores, **fields: Any) -> Evidence:
    """One comparison; a score of NaN is an answer that is not valid."""
    arms = arm_rows({"arm": "a", "quant": "q8_0"}, {"arm": "b", "quant": "fp16"})
    frames = [
        sample_rows(name, {f"article {i}": cell for i, cell in enumerate(scores)})
        for name, scores in (("a", candidate), ("b", baseline))
    ]
    samples = prepared(pd.concat(frames, ignore_index=True), arms)
    grid = build_grid(samples, samples, THRESHOLDS)
    given: dict[str, Any] = {
        "margins": GateConfig(),
        "icc": np.array([pooled_icc(grid.n_valid, grid.n_measured)]),
        "icc_limit": icc_limit(
            icc_profile(grid.n_valid, grid.n_measured, ICCS).sum(axis=1, keepdims=True),
            failing_cells(grid.n_valid, grid.n_measured).sum(keepdims=True),
        ),
        "thresholds": THRESHOLDS,
        **fields,
    }
    return Evidence(grid=grid, a=np.array([0]), b=np.array([1]), **given)


def asked(name: str, candidate: Scores, baseline: Scores, **fields: Any) -> dict[str, Any]:
    """The answer to one question as a dictionary."""
    row = questions.judge(name, evidence(candidate, baseline, **fields)).iloc[0]
    return {str(key): value for key, value in row.items()}


def around(
    centres: Sequence[float] | FloatArray, noise: float = 0.0, iterations: int = 4, seed: int = 0
) -> list[list[float]]:
    """Answers around each article's centre."""
    rng = np.random.default_rng(seed)
    made: list[list[float]] = (
        np.array(centres)[:, None] + noise * rng.standard_normal((len(centres), iterations))
    ).tolist()
    return made
