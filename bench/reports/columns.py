"""What a column of a table is called, in which unit it is shown, and how its numbers are written.

In: a column's name, as in the CSV files. Out: words for a header with the unit, and a workbook's
number format. The values themselves are never changed: a format scales bytes to megabytes.
"""

from __future__ import annotations

from typing import NamedTuple

COUNT = "#,##0"
SHARE = "0.0%"
SCORE = "0.000"
SECONDS = "0.00"
P_VALUE = '[<0.0001]"<0.0001";0.0000'
MEGABYTES = "#,##0.0,,"


class Column(NamedTuple):
    """How one column is shown."""

    title: str
    """Words, with the unit in brackets where there is one."""
    number_format: str
    """A workbook's number format."""


_TITLES = {
    "arm": "Arm",
    "n_articles": "Articles",
    "n_arms": "Arms",
    "n_samples": "Answers",
    "n_valid": "Valid answers",
    "n_failed_measurements": "Failed measurements",
    "arm_a": "Arm A",
    "arm_b": "Arm B",
    "article_id": "Article",
    "valid_rate": "Valid rate",
    "valid_clustered_low": "Valid rate, 95 % low",
    "valid_clustered_high": "Valid rate, 95 % high",
    "valid_ci_low": "Low, if answers are independent",
    "valid_ci_high": "High, if answers are independent",
    "valid_ci_method": "Method of these two",
    "valid_ci_wilson_low": "Wilson low",
    "valid_ci_wilson_high": "Wilson high",
    "valid_worst_low": "Low, if whole articles fail",
    "score_ci_low": "Mean score, 95 % low",
    "score_ci_high": "Mean score, 95 % high",
    "score_mean": "Mean score",
    "score_variance_within": "Score variance within articles",
    "mean_difference": "Mean difference (A minus B)",
    "ci_low": "Difference, 95 % low",
    "ci_high": "Difference, 95 % high",
    "ci90_low": "Difference, 90 % low",
    "ci90_high": "Difference, 90 % high",
    "duration_mean_s": "Mean time per answer (s)",
    "seconds_per_valid": "Time per valid answer (s)",
    "tokens_per_s": "Tokens per second (1/s)",
    "answers_per_s": "Answers per second (1/s)",
    "file_bytes": "Model size (MB)",
    "peak_memory_bytes": "Peak memory (MB)",
    "p_value": "p",
    "p_holm": "p, Holm",
    "p_bh": "p, Benjamini-Hochberg",
    "naive_t": "NAIVE t (do not use)",
    "naive_p": "NAIVE p (do not use)",
    "naive_f": "NAIVE F (do not use)",
    "label_accuracy": "Right labels, of the answered",
    "label_accuracy_all": "Right labels, of all",
    "mean_absolute_error": "Mean absolute error of the score",
    "accuracy": "Accuracy",
    "accuracy_difference": "Accuracy, A minus B",
    "n_items": "Items",
    "n_answers": "Answers",
    "accuracy_a": "Accuracy of A",
    "accuracy_b": "Accuracy of B",
    "mcnemar_p": "p, McNemar",
    "signflip_p": "p, sign flip",
    "n_garbage": "Garbage answers",
    "garbage_rate": "Garbage rate",
    "value_a": "Measure, A",
    "value_b": "Measure, B",
    "difference": "Difference (A minus B)",
    "answer": "In words",
    "prompt_tokens_a": "Prompt tokens, A",
    "prompt_tokens_b": "Prompt tokens, B",
    "completion_tokens_a": "Answer tokens, A",
    "completion_tokens_b": "Answer tokens, B",
    "tokens_ratio": "Tokens, A / B",
    "tokens_per_good_a": "Tokens per good answer, A",
    "tokens_per_good_b": "Tokens per good answer, B",
    "seconds_a": "Time per answer, A (s)",
    "seconds_b": "Time per answer, B (s)",
    "seconds_per_good_a": "Time per good answer, A (s)",
    "seconds_per_good_b": "Time per good answer, B (s)",
    "answers_per_s_a": "Answers per second, A (1/s)",
    "answers_per_s_b": "Answers per second, B (1/s)",
    "n_with_confidence": "Answers with a confidence",
    "n_items_with_confidence": "Items with a confidence",
    "n_items_repeated": "Items answered twice or more",
    "n_scored_items": "Items with a reference score, answered",
    "scored_share": "of the items with a reference score",
    "matthews": "Matthews correlation",
    "ece": "Expected calibration error",
    "brier": "Brier score",
    "pass_n": "pass^n",
    "pass_n_of": "n of pass^n",
    "pass_power_k": "pass^k",
    "n_slices": "Slices tested",
    "elsewhere": "Mean elsewhere",
    "error_absolute": "Mean absolute error",
    "error_rms": "Root mean square error",
    "bias": "Bias (score minus reference)",
    "spearman": "Rank correlation (Spearman)",
    "n_right_to_wrong": "Items right to wrong",
    "n_wrong_to_right": "Items wrong to right",
    "n_labelled": "Articles with a label",
    "n_answered": "of these answered",
    "n_scored": "Articles with a reference score, answered",
    "cohen_dz": "Cohen's dz",
    "hedges_gz": "Hedges' gz",
    "n": "Answers",
    "share": "Share of all answers",
}
_WORDS = {
    "ci": "CI", "ci90": "90 % CI", "dof": "dof", "sd": "SD", "se": "SE", "gg": "GG", "hf": "HF",
    "tost": "TOST", "rms": "RMS", "mde": "MDE", "ttft": "TTFT", "icc": "ICC", "reml": "REML",
    "f": "F", "f1": "F1", "id": "id", "p": "p", "t": "t", "n": "n", "w": "W", "chi2": "χ²", "eta": "η",
    "sq": "²",
}  # fmt: skip
_UNITS = (("_bytes", "MB"), ("_per_s", "1/s"), ("_s", "s"), ("_tokens", "tokens"))
_FORMATS_BY_ENDING = (
    ("_bytes", MEGABYTES),
    ("_per_s", "0.0"),
    ("_s", SECONDS),
    ("seconds_per_valid", SECONDS),
    ("seconds_per_good", SECONDS),
    ("tokens_per_good", COUNT),
    ("_tokens", COUNT),
    ("_tokens_mean", "0.0"),
    ("_rate", SHARE),
    ("_ratio", "0.00"),
)
_SHARES = (
    "valid_", "share", "label_accuracy", "cross_agreement", "self_agreement", "excess_", "accuracy",
    "balanced_", "majority_", "always_right", "never_right", "unstable", "pass_", "right_to_wrong",
    "wrong_to_right", "recall", "precision", "answered_share", "scored_share", "mean_confidence",
)  # fmt: skip
_DISTRIBUTION = ("t", "f", "dof", "dof1", "dof2", "naive_t", "naive_f", "levene_f", "brown_forsythe_f")


def column(name: str) -> Column:
    """How the column called `name` is shown."""
    return Column(_TITLES.get(name) or _spelled(name), number_format(name))


def number_format(name: str) -> str:
    """The number format of the column called `name`."""
    if name == "p_value" or name.startswith("p_") or name.endswith("_p"):
        return P_VALUE
    if name.startswith("n_") or name in {"n", "k", "pass_n_of", "iteration", "label_flips", "label_opposite"}:
        return COUNT
    of_a_pair = name.removesuffix("_a").removesuffix("_b")
    for ending, wanted in _FORMATS_BY_ENDING:
        if of_a_pair.endswith(ending):
            return wanted
    if name.startswith(_SHARES):
        return SHARE
    return "0.00" if name in _DISTRIBUTION else "0.0000"


def _spelled(name: str) -> str:
    for ending, unit in _UNITS:
        if name.endswith(ending):
            return f"{_spelled(name.removesuffix(ending))} ({unit})"
    first, *rest = [_WORDS.get(word, word) for word in name.split("_")]
    return " ".join((first if first in _WORDS.values() else first[:1].upper() + first[1:], *rest))
