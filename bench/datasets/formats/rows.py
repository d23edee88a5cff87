"""The rows themselves: text, label, score, confidence, reasoning, where from. Written in every build.

In: an Example. Out: a line that the reader `rows` reads again.
"""

from __future__ import annotations

from bench.datasets.formats import Example
from bench.datasets.readers.rows import line_of

SUFFIX = ".jsonl"
NEEDS_TASK = False


def line(example: Example) -> str:
    """The row as JSON."""
    return line_of(example.row)
