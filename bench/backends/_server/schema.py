"""The task's answer as JSON schema, for servers that hold an answer to one.

In: an AnswerSchema. Out: a plain dictionary. A server may ignore ranges; the verdict does not.
"""

from __future__ import annotations

from typing import Any

from bench.errors import UsageError
from bench.records import AnswerField, AnswerSchema, ModelSpec

_TYPES = {"text": "string", "number": "number", "integer": "integer", "boolean": "boolean"}


def refuse_begun_turn(spec: ModelSpec, schema: AnswerSchema) -> None:
    """UsageError for a task that begins the assistant's turn: servers differ in what they make of one."""
    if schema.prefix is not None and schema.prefix_as == "turn":
        raise UsageError(
            f"arm {spec.arm}: the task begins the assistant's turn with {schema.prefix!r}, and "
            f"{spec.backend} cannot be held to go on from there; write `prefix_as: instruction`, or take "
            "llama_cpp or hf"
        )


def json_schema(schema: AnswerSchema) -> dict[str, Any]:
    """An object with every field required, in the task's order, and no others."""
    return {
        "type": "object",
        "properties": {field.name: _property(field) for field in schema.fields},
        "required": [field.name for field in schema.fields],
        "additionalProperties": False,
    }


def _property(field: AnswerField) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _TYPES[field.type]}
    if field.choices is not None:
        found["enum"] = list(field.choices)
    elif field.type == "text":
        found["minLength"] = 1
    limits = {"minimum": field.minimum, "maximum": field.maximum}
    return found | {name: value for name, value in limits.items() if value is not None}
