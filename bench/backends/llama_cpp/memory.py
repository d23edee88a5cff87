"""The highest resident memory of this process while one arm ran.

In: nothing. Out: bytes, or None where the system does not tell. The kernel's own high-water mark is
set back at the beginning, so that an earlier, larger arm is not counted for this one.
"""

from __future__ import annotations

from pathlib import Path

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
