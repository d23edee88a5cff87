"""The one width of a run: how many answers are decoded together, the same for every arm.

In: a plan. Out: a width that fits into memory for all of its arms; UsageError with the widest that
does where the config's does not. Decided before anything is measured, and kept by every resume.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench import backends
from bench.errors import UsageError
from bench.records import ModelSpec, Prompt, Sampling

WIDEST_AUTO = 32  # wider gained nothing worth its memory on processors


def resolved_width(
    width: int | None,
    arms: Sequence[tuple[ModelSpec, Sequence[Prompt]]],
    sampling: Sampling,
    iterations: int,
) -> int:
    """`width` where it fits; for None the widest power of two that does, and that has work for each row."""
    limits = {
        spec.arm: backends.get(spec.backend).widest(spec, sampling, prompts, iterations)
        for spec, prompts in arms
        if prompts
    }
    known = {arm: limit for arm, limit in limits.items() if limit is not None}
    tightest = min(known, key=known.__getitem__, default=None)
    wanted = 1 if width is None else width
    if tightest is not None and known[tightest] < wanted:
        raise UsageError(_refusal(tightest, known[tightest], wanted))
    if width is not None:
        return width
    most = min([WIDEST_AUTO, *known.values(), *(len(prompts) * iterations for _, prompts in arms)])
    return int(2 ** (max(1, most).bit_length() - 1))


def _refusal(arm: str, limit: int, wanted: int) -> str:
    if limit < 1:
        return f"arm {arm}: too little free memory to decode one answer; take a smaller model or context"
    return (
        f"arm {arm}: too little free memory to decode {wanted} answers together; the largest width that fits "
        f"is {limit}: set width: {limit}, or lower sampling.max_tokens"
    )
