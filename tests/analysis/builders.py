"""Frames for the tests of the analysis: from scores written down by hand, and from the reference data."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.frames import MEASURED_OF_ARM, SAMPLE_COLUMNS

REFERENCE = Path(__file__).parents[1] / "reference"


def sample_rows(arm: str, scores: Mapping[str, Sequence[float]], **columns: Any) -> pd.DataFrame:
    """One row per score; NaN is an invalid answer. `columns` overwrite the defaults."""
    rows = [(article, i, score) for article, values in scores.items() for i, score in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["article_id", "iteration", "score"])
    valid = frame["score"].notna()
    defaults: dict[str, Any] = {
        "arm": arm,
        "outcome": np.where(valid, "valid", "not_json"),
        "valid": valid,
        "confidence": np.where(valid, 0.5, np.nan),
    }
    for name in SAMPLE_COLUMNS:
        if name not in frame:
            frame[name] = columns.get(name, defaults.get(name, np.nan))
    return frame[list(SAMPLE_COLUMNS)].astype({"score": float})


def arm_rows(*arms: dict[str, str]) -> pd.DataFrame:
    """One row per arm; fields that are not given get a default, and arm and group follow from them."""
    made = []
    for given in arms:
        fields = {
            "family": "tiny",
            "variant": "base",
            "quant": "fp16",
            "backend": "fake",
            "prompt_style": "zero_shot",
            "output": "free",
            **given,
        }
        group = "/".join(fields[k] for k in ("family", "variant", "backend", "prompt_style", "output"))
        fields.setdefault("group", group)
        fields.setdefault("arm", f"{fields['group']}/{fields['quant']}")
        fields.setdefault("repeat_of", "")
        unknown = dict.fromkeys(MEASURED_OF_ARM, np.nan)
        made.append({**fields, "source_name": "x", **unknown})
    return pd.DataFrame(made)


def reference() -> dict[str, Any]:
    """The reference values."""
    values: dict[str, Any] = json.loads((REFERENCE / "reference.json").read_text(encoding="utf-8"))
    return values


def reference_frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples and arms of the reference data; each family of the reference is one group."""
    with gzip.open(REFERENCE / "samples.csv.gz", "rt", encoding="utf-8") as file:
        data = pd.read_csv(file)
    samples = pd.DataFrame(
        {
            "arm": data["model"],
            "article_id": data["article"],
            "iteration": data["iteration"],
            "outcome": np.where(data["valid"], "valid", "not_json"),
            "valid": data["valid"],
            "score": data["sentiment"],
            "confidence": data["confidence"],
            "duration_s": data["time_taken"],
            "ttft_s": np.nan,
            "completion_tokens": np.nan,
            "prompt_tokens": np.nan,
            "batch_size": 1.0,
            "answer_chars": np.nan,
            "repeated_share": np.nan,
        }
    )
    models = data.drop_duplicates("model")
    arms = arm_rows(
        *(
            {
                "arm": str(m.model),
                "family": str(m.family),
                "quant": str(m.quantization),
                "group": str(m.family),
            }
            for m in models.itertuples(index=False)
        )
    )
    return samples, arms
