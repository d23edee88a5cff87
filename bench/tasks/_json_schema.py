"""A task's answer fields from a JSON Schema, as far as answers are flat objects.

In: the schema of an object as plain data. Out: the fields as a task file would write them. What it cannot
express (nesting, lists, optional keys, patterns) is refused by name, never passed over.
"""

from __future__ import annotations

from typing import Any

from bench.yaml_file import Location, PlacedError

_TYPES = {"string": "text", "number": "number", "integer": "integer", "boolean": "boolean"}
_ABOUT = {"$schema", "$id", "title", "description", "$comment"}
_OBJECT_KEYS = _ABOUT | {"type", "properties", "required", "additionalProperties"}
_FIELD_KEYS = {"type", "enum", "minimum", "maximum", "title", "description", "$comment"}


def fields_of(schema: Any) -> list[dict[str, Any]]:
    """The fields, in the order of `properties`. PlacedError says where a schema asks for something else."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise PlacedError((), "an answer is an object; write `type: object` with its `properties`")
    _refuse_unknown(schema, _OBJECT_KEYS, ())
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not properties:
        raise PlacedError(("properties",), "there is none; name the keys of the answer")
    if not isinstance(required, list) or set(map(str, required)) != set(map(str, properties)):
        raise PlacedError(("required",), "every key is required of an answer; list all of `properties`")
    if schema.get("additionalProperties", True) is not True:
        raise PlacedError(
            ("additionalProperties",), "further keys are allowed in an answer, and listed; write true"
        )
    return [_field(str(name), value, ("properties", str(name))) for name, value in properties.items()]


def _field(name: str, schema: Any, place: Location) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise PlacedError(place, "a property is a mapping with a `type`")
    _refuse_unknown(schema, _FIELD_KEYS, place)
    kind = schema.get("type", "string" if "enum" in schema else None)
    if not isinstance(kind, str) or kind not in _TYPES:
        raise PlacedError((*place, "type"), f"{kind!r} cannot be asked for; there are {', '.join(_TYPES)}")
    found = {"name": name, "type": _TYPES[kind], "description": schema.get("description", "")}
    if "enum" in schema:
        found["choices"] = schema["enum"]
    return found | {key: schema[key] for key in ("minimum", "maximum") if key in schema}


def _refuse_unknown(schema: dict[str, Any], known: set[str], place: Location) -> None:
    for key in schema:
        if key not in known:
            raise PlacedError((*place, str(key)), f"not supported; known here: {', '.join(sorted(known))}")
