"""The phrases by which walls, teasers and page furniture are known, from `phrases.yaml`.

In: the name of a list. Out: one compiled pattern that matches any of its phrases. It judges nothing.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

DATA = Path(__file__).with_name("phrases.yaml")


@cache
def _lists() -> dict[str, list[str]]:
    lists: dict[str, list[str]] = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    return lists


def any_of(name: str, before: str = "", after: str = "") -> re.Pattern[str]:
    """Any phrase of a list, between two patterns."""
    return re.compile(before + "(?:" + "|".join(_lists()[name]) + ")" + after, re.IGNORECASE)
