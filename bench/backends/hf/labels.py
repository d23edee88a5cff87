"""What a classifier's outputs mean in a task: their labels, and each label's score.

In: an arm's options, the model's config and the task's answer schema. Out: Labels, or a ConfigError that
says what to write. No model is loaded. How an answer is written from them is `classifier`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.errors import ConfigError, UsageError
from bench.records import AnswerField, AnswerSchema


class Labels(NamedTuple):
    """The outputs of a head in a task's words."""

    names: tuple[str, ...]
    """Label of each output, in the head's order."""
    scores: dict[str, float]
    """Score of each label; empty where the task has no score."""
    schema: AnswerSchema


def output_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What the model itself calls its outputs; transformers leaves the field out where there are two."""
    named = config.get("id2label")
    if not isinstance(named, dict) or not named:
        return ("LABEL_0", "LABEL_1")
    return tuple(str(named[key]) for key in sorted(named, key=_place))


def _place(key: str) -> int:
    return int(key) if key.isdecimal() else 0


def refuse_labels(arm: str, labels: tuple[str, ...], config: Mapping[str, Any]) -> None:
    """ConfigError unless the option names every output of this head once."""
    own = output_names(config)
    shown = ", ".join(own)[:200]
    if config.get("problem_type") in {"regression", "multi_label_classification"} or len(own) < 2:
        raise ConfigError(f"arm {arm}: the head does not choose one of several labels ({shown})")
    if len(labels) != len(own) or len(set(labels)) != len(labels):
        raise ConfigError(
            f"arm {arm}: option labels has to name the task's label for each of the {len(own)} outputs, in "
            f"their order; the model calls them: {shown}"
        )


def task_labels(
    arm: str, labels: tuple[str, ...], scores: Mapping[str, float], schema: AnswerSchema
) -> Labels:
    """The labels in this task; UsageError where its answer cannot be written from them."""
    for field in schema.fields:
        _refuse_field(arm, field, labels, schema)
    says_label = schema.score is not None or any(field.choices for field in schema.fields)
    if not says_label:
        raise UsageError(
            f"arm {arm}: the task's answer has neither a score nor a label; no classifier fits it"
        )
    return Labels(labels, {} if schema.score is None else _scores(arm, labels, scores, schema), schema)


def _refuse_field(arm: str, field: AnswerField, labels: tuple[str, ...], schema: AnswerSchema) -> None:
    fitting = field.type == ("number" if field.name in {schema.score, schema.confidence} else "text")
    if not fitting:
        raise UsageError(
            f"arm {arm}: a classifier has nothing to say for the field {field.name!r} ({field.type}) of the "
            "task's answer; use a model that writes"
        )
    if field.choices is not None and not set(labels) <= set(field.choices):
        strange = ", ".join(sorted(set(labels) - set(field.choices)))
        raise UsageError(
            f"arm {arm}: option labels: {strange} is no choice of "
            f"the field {field.name!r} ({', '.join(field.choices)})"
        )


def _scores(
    arm: str, labels: tuple[str, ...], given: Mapping[str, float], schema: AnswerSchema
) -> dict[str, float]:
    """Each label's score: as the option says, else by the task's thresholds."""
    field = schema.field(str(schema.score))
    known = dict(given)
    if not known and schema.label_thresholds and field.minimum is not None and field.maximum is not None:
        middle = sum(schema.label_thresholds) / 2
        known = {"negative": field.minimum, "neutral": middle, "positive": field.maximum}
        known = {name: value for name, value in known.items() if name in labels}
    if set(known) != set(labels):
        raise ConfigError(
            f"arm {arm}: option label_scores has to give each label ({', '.join(labels)}) its {schema.score}"
        )
    for name, value in known.items():
        is_low = field.minimum is not None and value < field.minimum
        if is_low or (field.maximum is not None and value > field.maximum):
            raise ConfigError(
                f"arm {arm}: option label_scores: {name} {value:g} is outside {schema.score}'s range"
            )
    return known
