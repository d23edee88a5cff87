"""The data card: what a set was made of, what was done to it, and what came out.

In: what the build counted. Out: records for `card.json`, and the page `card.md` that says the same to a
reader. No time and no machine stands in it, so that building twice gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.records import Record

SCHEMA_VERSION = 1


class FileCard(Record):
    """A file, read or written."""

    name: str
    """Its name, or its path in the data set."""
    sha256: str
    """Of its bytes."""
    n_bytes: int
    """Its size."""


class SourceCard(Record):
    """One source."""

    name: str
    """As rows name it."""
    reader: str
    """What read it."""
    path: str
    """As the recipe says it."""
    files: tuple[FileCard, ...]
    """What was read, in order."""
    n_rows: int
    """Rows it gave."""
    counts: dict[str, int]
    """What the reader found or left out."""
    licence: str | None
    """None where nobody said it."""
    credit: str | None
    """Whom to name."""


class StepCard(Record):
    """One step."""

    step: str
    """Its name."""
    options: dict[str, Any]
    """All of its options."""
    n_rows_in: int
    """Rows before it."""
    n_rows_out: int
    """Rows after it."""
    counts: dict[str, int]
    """What was done to how many."""


class SideCard(Record):
    """One side of the split."""

    n_rows: int
    """Rows on it."""
    labels: dict[str, int]
    """Rows by label; rows without one are not in it."""
    sources: dict[str, int]
    """Rows by source."""
    n_characters: int
    """Of the texts."""
    files: dict[str, FileCard]
    """By format; none for a side without rows."""


class Card(Record):
    """What `card.json` holds."""

    schema_version: int = SCHEMA_VERSION
    """Version of this record."""
    name: str
    """The data set's name."""
    description: str
    """What it is."""
    recipe: dict[str, Any]
    """The whole recipe, every default said."""
    task: dict[str, str] | None
    """Name, version and digest of the task whose prompts and answers it holds."""
    sources: tuple[SourceCard, ...]
    """Where the rows came from."""
    steps: tuple[StepCard, ...]
    """What was done, in order; the split is the last."""
    sides: dict[str, SideCard]
    """train, validation, test."""
    labelling: dict[str, Any] | None = None
    """Where models labelled it: who, how often, at what cost, and how far they agree."""

    @property
    def n_rows(self) -> int:
        """Rows on all sides."""
        return sum(side.n_rows for side in self.sides.values())

    @property
    def unlicensed(self) -> list[str]:
        """Sources whose licence nobody said."""
        return [source.name for source in self.sources if source.licence is None]


def page(card: Card) -> str:
    """The card as Markdown."""
    parts = [
        f"# {card.name}",
        card.description or "A data set made by `bench data build`.",
        "## Sides",
        _table(
            ("side", "rows", "share", "labels", "characters"),
            [
                (
                    name,
                    f"{side.n_rows:,}",
                    _share(side.n_rows, card.n_rows),
                    _counted(side.labels),
                    f"{side.n_characters:,}",
                )
                for name, side in card.sides.items()
            ],
        ),
        "## Sources",
        _table(
            ("source", "reader", "rows", "licence", "credit", "found"),
            [
                (
                    s.name,
                    s.reader,
                    f"{s.n_rows:,}",
                    s.licence or "not stated",
                    s.credit or "",
                    _counted(s.counts),
                )
                for s in card.sources
            ],
        ),
        _table(
            ("file", "bytes", "sha256"),
            [(f.name, f"{f.n_bytes:,}", f.sha256) for s in card.sources for f in s.files],
        ),
        "## Steps",
        _table(
            ("step", "rows before", "rows after", "what was done"),
            [(s.step, f"{s.n_rows_in:,}", f"{s.n_rows_out:,}", _counted(s.counts)) for s in card.steps],
        ),
    ]
    if card.task:
        parts += [
            "## Task",
            f"{card.task['name']}, version {card.task['version']}, digest {card.task['digest']}",
        ]
    if card.labelling:
        parts += ["## Labelling", _table(("what", "value"), _flat(card.labelling))]
    written = [
        (f.name, f"{f.n_bytes:,}", f.sha256) for side in card.sides.values() for f in side.files.values()
    ]
    parts += ["## Files", _table(("file", "bytes", "sha256"), written)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _share(n: int, total: int) -> str:
    return f"{100 * n / total:.1f} %" if total else ""


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {n:,}" for name, n in counts.items() if n)


def _flat(found: dict[str, Any], before: str = "") -> list[tuple[str, ...]]:
    """A nested dictionary as rows of a table."""
    rows: list[tuple[str, ...]] = []
    for name, value in found.items():
        shown = f"{before}{name}"
        if isinstance(value, dict):
            rows += _flat(value, f"{shown}, ")
        elif value is not None:
            rows.append((shown, f"{value:.6g}" if isinstance(value, float) else str(value)))
    return rows
