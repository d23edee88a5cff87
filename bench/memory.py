"""The memory of this process: what it could still take, and the most it had while one arm ran.

In: nothing. Out: bytes, or None where the system does not tell. The kernel's own high-water mark is
set back at the beginning, so that an earlier, larger arm is not counted for this one.
"""

from __future__ import annotations

from pathlib import Path

import psutil

KEPT_BYTES = 512 * 2**20
"""For Python, the engine's scratch memory and whoever else works here."""
_GROUP = Path("/sys/fs/cgroup")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_CLEAR_HIGH_WATER = "5"  # see proc(5)


class PeakMemory:
    """The high-water mark from its making on."""

    def __init__(self) -> None:
        try:
            _CLEAR.write_text(_CLEAR_HIGH_WATER, encoding="ascii")
            self._known = True
        except OSError:  # another system, or not allowed here
            self._known = False

    def read_bytes(self) -> int | None:
        """The highest resident size so far."""
        if not self._known:
            return None
        try:
            for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        except OSError:
            pass
        return None


def available_bytes() -> int:
    """Memory that this process could still take."""
    here = int(psutil.virtual_memory().available)
    try:
        limit = (_GROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_GROUP / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no control group, or one that does not tell
        return here
    return here if limit == "max" else min(here, int(limit) - used)
