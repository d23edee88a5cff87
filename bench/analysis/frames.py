"""The frames that enter the analysis, column by column, and the checks that they are what they say.

In: one row per answer (`samples`) and one row per arm (`arms`). Out: the same rows with categorical
keys in manifest order. It computes nothing. Absent is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.identity import short_name
from bench.records import SCORE_LABELS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

SAMPLE_COLUMNS = {
    "arm": "id of the arm",
    "article_id": "id of the article",
    "iteration": "which repeat, from 0",
    "outcome": "one of the outcomes of the validator, as text",
    "valid": "whether the outcome is `valid`",
    "score": "the task's score; NaN unless valid",
    "confidence": "the stated confidence, or a classifier's own, 0 to 1; NaN unless valid or without either",
    "duration_s": "seconds from admission to the last token; NaN where not measured alone",
    "ttft_s": "seconds to the first token; NaN where not measured alone",
    "completion_tokens": "tokens of the answer; NaN where unknown",
    "prompt_tokens": "tokens of the prompt; NaN where unknown",
    "batch_size": "sequences decoded together; NaN where unknown",
    "answer_chars": "characters of the answer's text; NaN where no text was kept",
    "repeated_share": "share of its word triples that stood in it before; NaN below three words",
}
"""Columns of `samples` and what is in them. `timings` has the same columns."""

LABEL = "label"
"""A further column that `samples` may have: the label the answer was read as, NaN where it is in no
category. Without it a score is read by the task's thresholds."""

ARM_COLUMNS = {
    "arm": "id of the arm",
    "family": "model line",
    "variant": "`base`, `fine-tuned` or any word",
    "quant": "quantization",
    "backend": "what ran it",
    "prompt_style": "`zero_shot` or `few_shot`",
    "output": "`free` or `json_schema`",
    "group": "id of the group: everything but the quantization",
    "source_name": "folder it was imported from, else what was loaded",
    "file_bytes": "size of the model; NaN where unknown",
    "peak_memory_bytes": "highest resident memory; NaN where not measured",
    "answers_per_s": "throughput: answers decoded per second of decoding; NaN where not measured",
    "prefill_tokens_per_s": "prompt tokens computed per second; NaN where not measured",
    "decode_tokens_per_s": "answer tokens per second of all answers together; NaN where not measured",
    "load_s": "seconds to load the model; NaN where not measured",
    "repeat_of": "the arm that an A/A arm repeats; empty for every other arm",
}
"""Columns of `arms`, one row per arm in manifest order."""

MEASURED_OF_ARM = (
    "answers_per_s",
    "prefill_tokens_per_s",
    "decode_tokens_per_s",
    "load_s",
    "file_bytes",
    "peak_memory_bytes",
)
"""The columns of `arms` that were measured once for an arm and go into `arms.csv` as they are."""

IDENTITY = ("arm", "family", "variant", "quant", "backend", "prompt_style", "output")
"""The columns that open every arm-level table."""

GROUP_IDENTITY = ("group", "family", "variant", "backend", "prompt_style", "output")
"""The columns that open every group-level table."""

LABELS = SCORE_LABELS
"""Labels a score is read as, in the order of their codes 0, 1, 2."""


def short_names(arms: pd.DataFrame) -> dict[str, str]:
    """What every arm is called beside the others of its group, by its id."""
    repeats = arms["repeat_of"].astype(object).fillna("") != ""
    named = zip(arms["arm"], arms["quant"], repeats, strict=True)
    return {str(arm): short_name(str(quant), repeats=bool(again)) for arm, quant, again in named}


def prepared(
    samples: pd.DataFrame, arms: pd.DataFrame, articles: Sequence[str] | None = None
) -> pd.DataFrame:
    """`samples` with `arm` and `article_id` as categories: arms in manifest order, articles in the
    order given (else of first appearance).

    ValueError names a missing column, an arm that is not in `arms` or an article that was not given.
    """
    for frame, columns, name in ((samples, SAMPLE_COLUMNS, "samples"), (arms, ARM_COLUMNS, "arms")):
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            raise ValueError(f"{name} lacks the column {missing[0]!r}")
    keys = {
        "arm": list(arms["arm"]),
        "article_id": list(articles if articles is not None else pd.unique(samples["article_id"])),
    }
    for column, known in keys.items():
        strange = ~samples[column].isin(known).to_numpy()
        if strange.any():
            raise ValueError(f"samples have the unknown {column} {samples[column][strange].iloc[0]!r}")
    categories = {column: pd.Categorical(samples[column], categories=known) for column, known in keys.items()}
    return samples.assign(**categories).reset_index(drop=True)


Thresholds = tuple[float, float] | None
"""Below the first a score reads as negative, above the second as positive; None: it has no label."""


def label_codes(scores: FloatArray, thresholds: Thresholds) -> IntArray:
    """0 below the first threshold, 2 above the second, else 1; -1 where there is no score or threshold.

    Scores are rounded to 10 decimals first: a mean of 0.05 is not above 0.05 by a rounding error.
    """
    if thresholds is None:
        return np.full(scores.shape, -1, dtype=np.int64)
    rounded = np.round(scores, 10)
    codes = np.where(rounded < thresholds[0], 0, np.where(rounded > thresholds[1], 2, 1))
    return np.where(np.isnan(rounded), -1, codes).astype(np.int64)
