"""Formats: one file each, from an example to a line of a training file.

A format is a module with

    SUFFIX        of its files
    NEEDS_TASK    whether it has prompts and answers
    line(example) -> str   one line, or for plain text some, without the last newline

In: an Example. Out: text. `rows` is written always: it is what the others are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol

from bench import plugins
from bench.datasets.row import Row

ROOM = "datasets.formats"


class Turn(NamedTuple):
    """One turn of a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


class Example(NamedTuple):
    """A row as a model meets it."""

    row: Row
    turns: tuple[Turn, ...] = ()
    """The prompt, as the task writes it; none without a task."""
    answer: str = ""
    """What the model should write."""


Render = Callable[[Row], Example]
"""A task's part: the prompt and the answer of a row; a ConfigError where the row cannot give one."""


class Format(Protocol):
    """What a format's module offers."""

    SUFFIX: ClassVar[str]
    NEEDS_TASK: ClassVar[bool]

    @staticmethod
    def line(example: Example) -> str:
        """The example as text."""


def names() -> tuple[str, ...]:
    """The formats there are."""
    return plugins.names(ROOM)


def load(name: str) -> Format:
    """A format by its name."""
    return plugins.load(ROOM, name)  # type: ignore[return-value]
