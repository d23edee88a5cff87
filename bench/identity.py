"""The one definition of "the same": canonical JSON, content ids, and the seed of a sample.

In: plain JSON values or text. Out: stable strings and integers that do not depend on dictionary
order, process, platform or Python version. It knows nothing about what the values mean.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

REPEAT_SUFFIX = "+repeat"
"""How the id of an A/A arm ends."""
_PARTS = re.compile(r"[/@+]")
_MAX_SEED = 2**31 - 1  # every engine and server takes 31 bits; llama.cpp reserves 2**32 - 1


def canonical_json(value: Any) -> str:
    """`value` as JSON with sorted keys, no spaces and no NaN; equal values give equal text.

    Raises ValueError for NaN and infinities, TypeError for what JSON cannot hold.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def content_id(value: Any, length: int = 16) -> str:
    """The first `length` hex digits of the SHA-256 of `canonical_json(value)`."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()[:length]


def normalized_text(text: str) -> str:
    """`text` in Unicode NFC with every run of white space as one space; what an article's id hashes."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def sample_seed(run_seed: int, arm: str, article_id: str, iteration: int) -> int:
    """The seed of one sample, 0 to 2**31 - 2.

    It depends on the arm, so that arms draw independent streams, and on nothing that a resume, an
    extension or another order of work could change.
    """
    digest = hashlib.sha256(canonical_json([run_seed, arm, article_id, iteration]).encode("ascii"))
    return int.from_bytes(digest.digest()[:8], "big") % _MAX_SEED


def slug(text: str, length: int = 60) -> str:
    """`text` with everything but ASCII letters, digits, `.`, `_` and `-` replaced; never empty or hidden."""
    kept = "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "-" for c in text)
    return kept.strip(".-")[:length] or "x"


def file_stem(arm: str) -> str:
    """The file name (without suffix) for an arm: a readable slug plus a digest that tells arms apart."""
    return f"{slug(arm)}-{content_id(arm, 10)}"


def short_name(quant: str, *, repeats: bool) -> str:
    """What an arm is called inside its group: its quantization, and that it is an A/A arm where it is one."""
    return f"{quant} (repeat)" if repeats else quant


def match_arm(text: str, arms: Sequence[str]) -> list[str]:
    """The arms that `text` can mean: itself if it is one, else those that have its parts in its order.

    `tiny/base/q4_K_M`, `base/q4_K_M` and `q4_K_M@llama_cpp` all fit
    `tiny/base/q4_K_M@llama_cpp+few_shot`. This reads what a user typed; no decision about a model
    is ever taken from a name. An A/A arm is meant only where `repeat` is said.
    """
    if text in arms:
        return [text]
    wanted = _PARTS.split(text)
    if not all(wanted):
        return []
    says_repeat = f"+{wanted[-1]}" == REPEAT_SUFFIX
    meant = [arm for arm in arms if arm.endswith(REPEAT_SUFFIX) == says_repeat]
    return [arm for arm in meant if _in_order(wanted, _PARTS.split(arm))]


def _in_order(wanted: list[str], parts: list[str]) -> bool:
    remaining = iter(parts)
    return all(part in remaining for part in wanted)
