"""Small, constant, empty and half-missing data: no warning, no infinity, no p of 0, a reason instead."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.sentences import group_sentences
from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows, sample_rows

nan = float("nan")
QUANTS = ("fp16", "q4", "q8")


def broken_run(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A run of up to 6 arms, 5 articles and 3 iterations, in which anything may be missing."""
    rng = np.random.default_rng(seed)
    n_articles, n_iterations, n_quants = rng.integers(1, 6), rng.integers(1, 4), rng.integers(1, 4)
    arms = arm_rows(
        *({"arm": v + q, "variant": v, "quant": q} for v in ("base", "tuned") for q in QUANTS[:n_quants])
    )
    parts = [sample_rows("basefp16", {"a0": [0.5]})]
    for arm in arms["arm"][1:]:
        scores = {}
        for article in range(n_articles):
            kind = [rng.normal(0, 0.3, n_iterations), np.full(n_iterations, 0.5), np.full(n_iterations, nan)]
            values = kind[seed % 3]
            values[rng.random(n_iterations) < 0.3] = nan
            scores[f"a{article}"] = values.tolist()
        frame = sample_rows(arm, scores, confidence=nan if rng.random() < 0.3 else 0.0)
        frame["duration_s"] = rng.choice([0.0, 0.5, nan], len(frame))
        if rng.random() < 0.3:
            frame.loc[~frame["valid"], "outcome"] = "backend_error"
        parts.append(frame)
    return pd.concat(parts), arms


@pytest.mark.parametrize("seed", range(24))
def test_broken_data_gives_reasons_and_neither_warnings_nor_infinities(seed):
    samples, arms = broken_run(seed)
    made = build_tables(samples, arms)
    for table in made.values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()
    pairs = made["pairs"]
    assert not (pairs["p_value"] == 0).any()
    assert pairs.loc[pairs["p_value"].isna(), "note"].str.contains("not testable").all()
    assert all(group_sentences(pairs, arms))
