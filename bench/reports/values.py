"""Values of a frame as what a file can hold: text, a number, a boolean, or nothing.

In: whatever pandas or numpy keep in a cell. Out: plain Python; None is what is undefined (NaN, NaT, NA).
"""

from __future__ import annotations

import math
from datetime import date
from numbers import Integral, Real
from typing import Any

import numpy as np


def plain(value: Any) -> str | int | float | bool | None:
    """`value` in plain Python; a date as ISO text, None where it is undefined."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return None if math.isnan(number) else number
    text = str(value)
    if text in {"NaT", "<NA>"}:
        return None
    return value.isoformat() if isinstance(value, date) else text
