"""How the numeric engines' threads wait for each other. It loads no engine."""

from __future__ import annotations

import os

_SPIN_COUNT = "1000"


def spin_briefly() -> None:
    """Let OpenMP's threads sleep soon instead of burning a core while they wait for each other.

    On two cores that others use too, the runtime's own default decoded 3 tokens/s where this decodes some
    40; on idle cores no difference beyond noise was seen. The runtime reads it when it is loaded, and
    torch and llama.cpp share one: call this before the first import of either.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
