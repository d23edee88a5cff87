"""Which arm of a run a user means: by its id, a short form, or a glob.

In: what was typed and the ids there are. Out: ids; a UsageError names what there is where nothing, or
not just one arm, fits. No decision about a model is ever taken from a name.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from bench.errors import UsageError
from bench.identity import match_arm


def resolve_arm(text: str, known: Sequence[str]) -> str:
    """The arm that `text` names, in full or in a short form that is unique; else UsageError."""
    found = match_arm(text, known)
    if len(found) == 1:
        return found[0]
    problem = "fits several arms; say which:" if found else "is no arm of this run; there are:"
    raise UsageError(f"{text!r} {problem} {', '.join(found or known)}")


def fitting_arms(pattern: str, known: Sequence[str]) -> list[str]:
    """The arms a glob fits, whole or from a `/` on, else those it is a short form of; UsageError if none."""
    ends = {arm: [arm.split("/", place)[-1] for place in range(arm.count("/") + 1)] for arm in known}
    found = [arm for arm in known if any(fnmatch.fnmatchcase(end, pattern) for end in ends[arm])]
    found = found or match_arm(pattern, known)
    if not found:
        raise UsageError(f"--arm {pattern!r} fits no arm of this run; there are: {', '.join(known)}")
    return found
