"""What one look at a file came to."""

from __future__ import annotations

from typing import Literal, NamedTuple

Aspect = Literal["prompt", "tokens", "stop", "logits", "types"]


class Finding(NamedTuple):
    """One aspect of a file."""

    aspect: Aspect
    holds: bool | None
    """None where it was not compared."""
    detail: str
    """What was compared, or what differs, where and by how much, or why nothing was compared."""
