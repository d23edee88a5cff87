"""Another text made of a row's fields, such as a sentence with its judgement behind it.

    - {step: template, text: "{text}\n{reasoning}"}

In: rows. Out: rows whose text is the template, filled. It knows {text}, {label}, {title}, {entity} and
{reasoning}; a row that lacks one of those named is left out and counted. Label and all else stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from string import Formatter

from pydantic import field_validator

from bench.datasets.row import Row
from bench.datasets.steps import Setting
from bench.records import Record, Text

_FIELDS = ("text", "label", "title", "entity", "reasoning")


class Options(Record):
    """What the text becomes."""

    text: Text
    """The template."""

    @field_validator("text")
    @classmethod
    def _can_be_filled(cls, value: str) -> str:
        try:
            named = _named(value)
        except ValueError as error:
            raise ValueError(f"not a template: {error}") from error
        if unknown := [name for name in named if name not in _FIELDS]:
            raise ValueError(f"no field {unknown[0]!r}; there are {', '.join(_FIELDS)}")
        return value


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows with their new text."""
    named = _named(options.text)
    for row in rows:
        values = {name: getattr(row, name) for name in named}
        lacking = [name for name, value in values.items() if value is None]
        if lacking:
            setting.counts[f"left out: no {lacking[0]}"] += 1
            continue
        yield row._replace(text=options.text.format(**values))


def _named(template: str) -> list[str]:
    """The fields that a template names."""
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]
