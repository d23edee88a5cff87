"""A YAML file that a person writes, as a checked record, with file and line of every mistake in it.

In: the text of a `config.yaml` or of a task, and the record it is to become. Out: the record, or a
ConfigError with one `file:line: what was expected` line per mistake. Keys that stand twice are refused,
and what YAML makes of `no`, `1:30` or `2e-4` is explained. It knows no key of any file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from bench.errors import ConfigError

MAX_ERRORS_SHOWN = 8
_COLON = "mapping values are not allowed here"
MAX_ALIASES = 20  # nested aliases grow exponentially; so few cannot

Location = tuple[str | int, ...]
RecordT = TypeVar("RecordT", bound=BaseModel)


class PlacedError(ValueError):
    """A mistake at one place of a record that only the whole record shows; raised by its validator."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(".".join(map(str, location)) + (": " if location else "") + message)
        self.location = location
        self.message = message


class PlacedGroupError(ValueError):
    """Several such mistakes."""

    def __init__(self, errors: Sequence[PlacedError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


class Document(NamedTuple):
    """A YAML text as plain data."""

    path: Path
    data: Any
    lines: dict[Location, int]
    """The line (from 1) of each key and item."""

    def line(self, location: Location) -> int:
        """The line of a place, or of the nearest thing around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def checked(
        self,
        record: type[RecordT],
        known: Callable[[Location], list[str]],
        tags: Collection[str] = (),
    ) -> RecordT:
        """The data as a record; ConfigError with a line per mistake.

        `known` gives the keys there are at a place, `tags` the names in a location that are pydantic's
        own and stand in no file.
        """
        try:
            # through JSON, because strict mode then takes a list for a tuple and still no text for a number
            return record.model_validate_json(json.dumps(self.data, default=str), strict=True)
        except ValidationError as error:
            raise ConfigError(self._explain(error, known, tags)) from error

    def _explain(
        self, error: ValidationError, known: Callable[[Location], list[str]], tags: Collection[str]
    ) -> str:
        problems = [one for p in error.errors(include_url=False) for one in _apart(dict(p))]
        problems = _alternatives_joined(_without_echoes(problems), tags)
        shown = [self._explain_one(p, known, tags) for p in problems[:MAX_ERRORS_SHOWN]]
        if len(problems) > MAX_ERRORS_SHOWN:
            shown.append(f"... and {len(problems) - MAX_ERRORS_SHOWN} more")
        return "\n".join(shown)

    def _explain_one(
        self, problem: dict[str, Any], known: Callable[[Location], list[str]], tags: Collection[str]
    ) -> str:
        location: Location = tuple(part for part in problem["loc"] if part not in tags)
        error = problem.get("ctx", {}).get("error")
        if isinstance(error, PlacedError):
            location = (*location, *error.location)
        name = ".".join(str(part) for part in location)
        where = f"{self.path}:{self.line(location)}" + (f": {name}" if name else "")
        if problem["type"] == "extra_forbidden":
            return f"{where}: unknown key; known here: {', '.join(known(location[:-1]))}"
        if problem["type"] == "missing":
            return f"{where}: is missing"
        message = error.message if isinstance(error, PlacedError) else str(problem["msg"])
        message = message.removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        value = problem.get("input")
        if isinstance(value, (dict, list)) or problem["type"] == "value_error":
            return f"{where}: {message}"
        remedy = "; write it in quotes" if problem["type"] == "string_type" and _is_number(value) else ""
        return f"{where}: {message}; found {_found(value)}{remedy}"


def _without_echoes(problems: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A list whose items are all wrong is not told to be empty as well."""

    def echoes(problem: dict[str, Any]) -> bool:
        place = problem["loc"]
        inside = (other["loc"] for other in problems if len(other["loc"]) > len(place))
        return problem["type"] == "too_short" and any(other[: len(place)] == place for other in inside)

    return [problem for problem in problems if not echoes(problem)]


def _alternatives_joined(problems: list[dict[str, Any]], tags: Collection[str]) -> list[dict[str, Any]]:
    """One problem for a value that is none of the kinds its place takes; pydantic tells one for each kind."""
    made: dict[Location, dict[str, Any]] = {}
    joined: list[dict[str, Any]] = []
    for problem in problems:
        kind, place = problem["loc"][-1:], problem["loc"][:-1]
        first = made.get(place) if kind and kind[0] in tags else None
        if first is not None:
            first["msg"] += f", or {problem['msg'][:1].lower()}{problem['msg'][1:]}"
            continue
        made[place] = problem
        joined.append(problem)
    return joined


def parsed(text: str, path: Path, remedy: str) -> Document:
    """A YAML text; ConfigError for what is not YAML, is empty (`remedy` says what to do) or is a bomb."""
    try:
        aliases = sum(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, yaml.SafeLoader))
        if aliases > MAX_ALIASES:
            raise ConfigError(f"{path}: {aliases} YAML aliases; at most {MAX_ALIASES} are read")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Location, int] = {}
        if root is None:
            raise ConfigError(f"{path}: the file is empty; {remedy}")
        _walk(root, (), lines, path)
        return Document(path, yaml.safe_load(text), lines)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = " ".join((getattr(error, "problem", None) or str(error)).split())
        remedy = "; put a text that has `: ` in it in quotes" if problem == _COLON else ""
        raise ConfigError(f"{where}: not YAML: {problem}{remedy}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply") from error
    except ValueError as error:
        raise ConfigError(f"{path}: a value cannot be read: {error}") from error


def known_keys(
    root: type[BaseModel], children: Mapping[str, type[BaseModel]], location: Location
) -> list[str]:
    """The keys of the record at `location`, where a key of `children` always holds that record."""
    record = root
    for part in location:
        if isinstance(part, str):
            record = children.get(part, record)
    return list(record.model_fields)


def _walk(node: yaml.Node, location: Location, lines: dict[Location, int], path: Path) -> None:
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen:
                raise ConfigError(
                    f"{path}:{line}: {key!r} is there twice; it was first set in line {seen[key]}"
                )
            seen[key] = line
            lines[(*location, key)] = line
            _walk(value_node, (*location, key), lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            _walk(item, (*location, place), lines, path)


def _apart(problem: dict[str, Any]) -> list[dict[str, Any]]:
    """One problem for each of the mistakes that a validator found together."""
    error = problem.get("ctx", {}).get("error")
    if not isinstance(error, PlacedGroupError):
        return [problem]
    return [problem | {"ctx": {"error": one}} for one in error.errors]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _found(value: Any) -> str:
    if isinstance(value, bool):
        return f"{str(value).lower()} (YAML reads yes, no, on and off as true or false; quote them as text)"
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return f"the text {value!r}"
        return f"the text {value!r}; write {_yaml_number(number)}, with a point and without quotes"
    return "nothing" if value is None else repr(value)


def _yaml_number(number: float) -> str:
    text = repr(number)
    mantissa, e, exponent = text.partition("e")
    return text if not e or "." in mantissa else f"{mantissa}.0e{exponent}"
