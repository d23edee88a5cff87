"""Tasks: what is asked about an item, and what a right-shaped answer is. One file a task.

In: a task's file (by name from this folder, or a user's `.yaml`, `.py` or `.csv` by path) and an article.
Out: a frozen Task, and the Prompt that every arm of one style gets. It judges no answer: the
answer schema goes to `bench.validation`.
"""

from __future__ import annotations

from pathlib import Path

from bench import plugins
from bench.errors import ConfigError
from bench.tasks._files import SUFFIXES, read
from bench.tasks._task import Example, Item, Task, answer_text, delimited

__all__ = ["ROOM", "Example", "Item", "Task", "answer_text", "delimited", "load", "names"]

ROOM = "tasks"


def load(name_or_path: str) -> Task:
    """A task by its name, or from a user's file by path; a Python file is executed. ConfigError.

    The error says what is wrong, in which line.
    """
    is_path = name_or_path.lower().endswith(SUFFIXES)
    if not is_path and (Path(name_or_path).suffix or "/" in name_or_path):
        raise ConfigError(f"task {name_or_path}: a task's file ends in {', '.join(SUFFIXES)}")
    return read(Path(name_or_path).expanduser() if is_path else plugins.locate(ROOM, name_or_path))


def names() -> tuple[str, ...]:
    """The names of the shipped tasks."""
    return plugins.names(ROOM)
