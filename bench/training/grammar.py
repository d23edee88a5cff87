"""A small text grammar: `[a|b]` is a choice, `{name}` a slot, `{name.2}` a second value of the same slot.

In: the wording files beside this module and a random generator. Out: sentences. A slot keeps its
value inside one expansion, so that a fact and the reason drawn from it name the same figures. It
knows nothing about articles or scores.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

WORDING = Path(__file__).parent / "wording"
_TOKEN = re.compile(r"\{(\w+)(?:\.(\d))?\}|([\[\]|])")


class Slot(NamedTuple):
    """A place to be filled; the key tells two values of one name apart."""

    name: str
    key: str


class Choice(NamedTuple):
    """One of several sequences."""

    options: tuple[Sequence_, ...]


Sequence_ = tuple["str | Slot | Choice", ...]
Fill = Callable[[str], str]
"""Gives a fresh value for a slot's name."""


@cache
def parse(template: str) -> Sequence_:
    """The template as nested sequences. ValueError where brackets do not match."""
    stack: list[list[list[str | Slot | Choice]]] = [[[]]]
    position = 0
    for match in _TOKEN.finditer(template):
        if match.start() > position:
            stack[-1][-1].append(template[position : match.start()])
        position = match.end()
        mark = match.group(3)
        if mark is None:
            stack[-1][-1].append(Slot(match.group(1), match.group(2) or ""))
        elif mark == "[":
            stack.append([[]])
        elif mark == "|" and len(stack) > 1:
            stack[-1].append([])
        elif mark == "]" and len(stack) > 1:
            options = stack.pop()
            stack[-1][-1].append(Choice(tuple(tuple(option) for option in options)))
        else:
            raise ValueError(f"unmatched {mark!r} in {template!r}")
    stack[-1][-1].append(template[position:])
    if len(stack) != 1:
        raise ValueError(f"unclosed '[' in {template!r}")
    return tuple(stack[0][0])


def expand(template: str, rng: Random, fill: Fill, bound: dict[Slot, str]) -> str:
    """One text of the template; values of slots are kept in `bound` and reused."""
    return "".join(_expand(parse(template), rng, fill, bound))


def _expand(sequence: Sequence_, rng: Random, fill: Fill, bound: dict[Slot, str]) -> list[str]:
    parts: list[str] = []
    for node in sequence:
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, Choice):
            parts += _expand(rng.choice(node.options), rng, fill, bound)
        elif node.name == "co":  # who is meant stays, how they are called may change
            parts.append(fill("co"))
        else:
            if node not in bound:
                bound[node] = fill(node.name)
            parts.append(bound[node])
    return parts


class Event(NamedTuple):
    """A kind of news: its headlines, and facts with the clause an answer may give for each."""

    name: str
    low: float
    high: float
    headlines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def _lines(name: str) -> list[str]:
    text = (WORDING / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip()]


@cache
def symbols(name: str) -> dict[str, tuple[str, ...]]:
    """The symbols of a wording file: name -> alternatives."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in _lines(name):
        if line.startswith(":"):
            current = found.setdefault(line[1:].strip(), [])
        elif not line.startswith("#"):
            current.append(line)
    return {key: tuple(values) for key, values in found.items()}


@cache
def events(name: str) -> tuple[Event, ...]:
    """The events of a wording file."""
    found: list[Event] = []
    for block in re.split(r"^# (?=\w+ -?\d)", (WORDING / name).read_text(encoding="utf-8"), flags=re.M)[1:]:
        first, *rest = [line for line in block.splitlines() if line.strip()]
        title, low, high = first.split()
        heads = tuple(line[2:].strip() for line in rest if line.startswith("h:"))
        facts = tuple(_fact(line[2:]) for line in rest if line.startswith("f:"))
        found.append(Event(title, float(low), float(high), heads, facts))
    return tuple(found)


def _fact(line: str) -> tuple[str, str]:
    said, reason = line.split(" => ")
    return said.strip(), reason.strip()


def table(name: str) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """The rows of a wording file of columns; each cell is a tuple of its comma-separated values."""
    rows = [line for line in _lines(name) if not line.startswith("#")]
    return tuple(tuple(tuple(v.strip() for v in cell.split(",")) for cell in row.split("|")) for row in rows)
