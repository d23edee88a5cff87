"""Plain text for language modelling: the texts, a blank line between them.

In: an Example. Out: its text, headline first, and a blank line; blank lines inside a text become plain
line ends, so that one blank line always divides two texts.
"""

from __future__ import annotations

from bench.datasets.formats import Example

SUFFIX = ".txt"
NEEDS_TASK = False


def line(example: Example) -> str:
    """The text and the blank line after it."""
    row = example.row
    whole = f"{row.title}\n{row.text}" if row.title else row.text
    lines = [each.rstrip() for each in whole.splitlines()]
    return "\n".join(each for each in lines if each) + "\n"
