"""Does a training cost the model what it knew: how well it foretells general text, before and after.

In: for every tuned arm and document of text that no training has read (general text, and where text itself is
learnt, held-out text of that kind), the surprise (negative log-likelihood) of the model before and after.
Out: `forgetting.csv`, tuned minus base, paired by document, and a sentence a row. An interval that holds zero
is no change shown, and not none.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import rows
from bench.analysis.correction import holm
from bench.analysis.frames import FloatArray
from bench.analysis.paired import paired_t, untestable_reason
from bench.analysis.sentences import SIGNIFICANT, records
from bench.analysis.signflip import signflip_p

GENERAL, HELD_OUT = "general", "held-out"
DOCUMENT_COLUMNS = {
    "text": "`general`, or `held-out` of what is learnt",
    "arm": "id of the tuned arm",
    "document": "id of the document",
    "n_bytes": "UTF-8 bytes of the text that was foretold",
    "n_tokens_base": "tokens of it that the model before foretold; NaN where there is none before",
    "nats_base": "their surprise together, in nats; NaN likewise",
    "n_tokens": "tokens of it that the model after foretold",
    "nats": "their surprise together, in nats",
}
"""Columns of the frame that enters, `forgetting_documents.csv`."""
UNITS = ("token", "byte")
_LARGEST_EXPONENT = 709.0


def forgetting_table(documents: pd.DataFrame) -> pd.DataFrame:
    """`forgetting.csv`: one row per text and tuned arm, in order of first appearance.

    Unit: the document: its mean surprise in nats, per token and per byte, is one observation, so that a long
    document weighs no more than a short one. nats_per_*_difference is after minus before (above 0: the model
    foretells general text less well), with a paired t interval, t-test and the sign-flip p beside it; p_holm
    corrects over the arms of a text. perplexity_base and perplexity are exp of the mean over
    documents of nats per token, perplexity_ratio is exp of the difference with its interval; corpus_* weigh
    tokens alike instead, which is the figure others publish. Per byte is what compares models whose
    tokenizers differ; where the two cut a document into different numbers of tokens, per token is
    undefined (NaN) and `note` says so; of a model that was made from nothing all but its own figures is.
    Undefined as `paired_t` too. Checked against scipy's `ttest_rel`.
    """
    made = []
    for (text, arm), found in documents.groupby(["text", "arm"], sort=False, observed=True):
        made.append({"text": text, "arm": arm, **_of_arm(found)})
    table = pd.DataFrame(made)
    if len(table):
        of_text = table.groupby("text", sort=False)
        for unit in UNITS:
            name = f"p_value_per_{unit}"
            adjusted = of_text[name].transform(lambda p: holm(p.to_numpy(dtype=float)))
            table.insert(list(table.columns).index(name) + 1, _holm(unit), adjusted)
    return table


def _holm(unit: str) -> str:
    return f"p_holm_per_{unit}"


def _of_arm(found: pd.DataFrame) -> dict[str, Any]:
    nats, base = found["nats"].to_numpy(dtype=float), found["nats_base"].to_numpy(dtype=float)
    tokens, tokens_base = (found[name].to_numpy(dtype=float) for name in ("n_tokens", "n_tokens_base"))
    has_base = not np.isnan(tokens_base).all()
    same = bool((tokens == tokens_base).all())
    scored = (tokens > 0) & ((tokens_base > 0) | (not has_base))
    undefined = np.full(len(found), np.nan)
    # a text that is cut otherwise has other tokens to foretell: their means say nothing of each other
    per_token = rows.divided(nats, tokens) - rows.divided(base, tokens_base) if same else undefined
    n_bytes = found["n_bytes"].to_numpy(dtype=float)
    per_byte = np.where(scored, rows.divided(nats, n_bytes) - rows.divided(base, n_bytes), np.nan)
    line: dict[str, Any] = {
        "n_documents": int(scored.sum()),
        "n_tokens": int(tokens.sum()),
        "n_bytes": int(n_bytes[scored].sum()),
    }
    line |= _levels("token", rows.divided(base, tokens_base), rows.divided(nats, tokens))
    line |= _difference("token", per_token)
    line |= _levels("byte", rows.divided(base, n_bytes), rows.divided(nats, n_bytes))
    line |= _difference("byte", per_byte)
    line |= {
        "perplexity_base": _exp(line["nats_per_token_base"]),
        "perplexity": _exp(line["nats_per_token"]),
        "perplexity_ratio": _exp(line["nats_per_token_difference"]),
        "perplexity_ratio_ci_low": _exp(line["nats_per_token_ci_low"]),
        "perplexity_ratio_ci_high": _exp(line["nats_per_token_ci_high"]),
        "corpus_perplexity_base": _exp(rows.divided(base.sum(), tokens_base.sum())),
        "corpus_perplexity": _exp(rows.divided(nats.sum(), tokens.sum())),
    }
    if not has_base:
        return {**line, "note": "made from nothing: there is no model before"}
    cut = "" if same else "the tokenizers cut the text differently: compare nats per byte"
    reason = untestable_reason(per_byte[None, :])[0].replace("article", "document")
    return {**line, "note": "; ".join(text for text in (cut, reason) if text)}


def _levels(unit: str, base: FloatArray, after: FloatArray) -> dict[str, float]:
    return {
        f"nats_per_{unit}_base": float(rows.mean(base)),
        f"nats_per_{unit}": float(rows.mean(after)),
    }


def _difference(unit: str, differences: FloatArray) -> dict[str, float]:
    tested = paired_t(differences[None, :]).iloc[0]
    return {
        f"nats_per_{unit}_difference": float(tested["mean_difference"]),
        f"nats_per_{unit}_ci_low": float(tested["ci_low"]),
        f"nats_per_{unit}_ci_high": float(tested["ci_high"]),
        f"t_per_{unit}": float(tested["t"]),
        f"p_value_per_{unit}": float(tested["p_value"]),
        f"signflip_p_per_{unit}": float(signflip_p(differences[None, :])[0]),
    }


def _exp(value: Any) -> float:
    """e to the value; NaN stays, and what no float holds is infinite."""
    number = float(value)
    return math.inf if number > _LARGEST_EXPONENT else math.exp(number)


# ---------------------------------------------------------------- in words


def forgetting_sentences(table: pd.DataFrame) -> list[str]:
    """What each arm's row says, in one sentence; nothing for an arm without a document."""
    return [text for row in records(table) if (text := _sentence(row))]


def _sentence(row: dict[str, Any]) -> str:
    unit = "byte" if math.isnan(row["nats_per_token_difference"]) else "token"
    value = row[f"nats_per_{unit}_difference"]
    about = f"{row['arm']}, {row['text']} text ({row['n_documents']} documents): "
    if math.isnan(value):
        own = row["perplexity"]
        return "" if math.isnan(own) else f"{about}perplexity {own:.4g}; {row['note']}."
    low, high = (row[f"nats_per_{unit}_ci_{end}"] for end in ("low", "high"))
    about += f"{value:+z.4f} nats per {unit}"
    if unit == "token":
        about += f", perplexity {row['perplexity_base']:.4g} before, {row['perplexity']:.4g} after"
    if math.isnan(low):
        return f"{about}; {row['note'] or 'not testable'}."
    return f"{about} (difference {low:+z.4f} to {high:+z.4f}): {_verdict(row, unit, low, high)}."


def _verdict(row: dict[str, Any], unit: str, low: float, high: float) -> str:
    if low <= 0 <= high:
        return "not decided, the interval holds zero: neither a change nor its absence is shown"
    what = "less well than before the training" if low > 0 else "better than before the training"
    holds = row[_holm(unit)] <= SIGNIFICANT
    return f"foretold {what}" + ("" if holds else ", which does not hold after Holm's correction")
