"""How many threads decode best here: one for each physical core that this process may use."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def default_threads() -> int:
    """Physical cores, but not more than the process may run on or its container is given."""
    limits = [psutil.cpu_count(logical=False), _allowed_cores(), _container_cores()]
    return max(1, min(n for n in limits if n))


def _allowed_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _container_cores() -> int | None:
    """Whole cores of the control group's quota; None where there is none."""
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # no such file, or "max"
        return None
