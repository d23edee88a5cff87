"""Labels in a task's words, with the score, the reasoning and the confidence that an answer needs.

    - step: labels
      map: {bearish: negative, bullish: positive}
      scores: {negative: -0.7, neutral: 0, positive: 0.7}
      reasoning: {negative: "The news is bad for {entity}."}

In: rows. Out: rows with label, score, reasoning and confidence filled in where they were absent; the map
always applies. A label that neither `map` nor `scores` knows is refused, or left out where
`unknown: drop`. Templates know {entity} and {label}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from bench.datasets.row import Row
from bench.datasets.steps import Setting
from bench.errors import ConfigError
from bench.records import Record, Text

_PLACES = {"entity": "x", "label": "x"}


class Options(Record):
    """What labels become."""

    map: dict[str, Text] = Field(default_factory=dict)
    """The source's label: the task's."""
    scores: dict[str, float] = Field(default_factory=dict)
    """The score of a label, on the task's scale."""
    reasoning: dict[str, Text] = Field(default_factory=dict)
    """A reason by label, where a row has none of its own."""
    confidence: float | None = Field(None, ge=0, le=1)
    """What a row without one gets."""
    no_entity: Text = "the subject"
    """What {entity} becomes where a row has none."""
    unknown: Literal["refuse", "drop"] = "refuse"
    """What becomes of a row whose label, or lack of one, is not foreseen."""

    @model_validator(mode="after")
    def _can_be_filled(self) -> Self:
        for label, template in self.reasoning.items():
            try:
                template.format(**_PLACES)
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(
                    f"reasoning.{label}: only {{entity}} and {{label}} can be filled in"
                ) from error
        return self

    @property
    def known(self) -> frozenset[str]:
        """The labels there are after the map; empty where every one is taken."""
        return frozenset(self.scores) or frozenset(self.map.values())


def apply(rows: Iterable[Row], options: Options, setting: Setting) -> Iterator[Row]:
    """The rows with their labels mapped."""
    known = options.known
    for row in rows:
        label = None if row.label is None else options.map.get(row.label, row.label)
        if known and label not in known:
            if options.unknown == "refuse":
                raise ConfigError(
                    f"step labels: {row.place}: the label {row.label!a} is not foreseen; there are "
                    f"{', '.join(sorted(known))}; add it to `map`, or say `unknown: drop`"
                )
            setting.counts["left out: label not foreseen"] += 1
            continue
        setting.counts["labels renamed"] += label != row.label
        yield _filled(row, label, options)


def _filled(row: Row, label: str | None, options: Options) -> Row:
    score, reasoning = row.score, row.reasoning
    if label is not None:
        score = options.scores.get(label) if score is None else score
        template = options.reasoning.get(label)
        if reasoning is None and template is not None:
            reasoning = template.format(entity=row.entity or options.no_entity, label=label)
    confidence = options.confidence if row.confidence is None else row.confidence
    return row._replace(label=label, score=score, reasoning=reasoning, confidence=confidence)
