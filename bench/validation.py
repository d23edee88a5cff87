"""Judging: what one answer's text is worth, by the strict rules of one answer schema.

In: a Completion (or a text and why it stopped) and an AnswerSchema. Out: a Verdict, for any text
whatever. The first outcome that fits wins:

    backend_error, context_overflow   the measurement failed, not the model
    empty                             nothing but white space
    missing_field, wrong_type, out_of_range, valid
                                      the text is JSON and nothing else, also when it was cut at
                                      max_tokens; JSON that is no object, and a key that stands
                                      twice, are wrong_type
    truncated                         cut at max_tokens before an object was complete
    fenced                            one code fence around JSON, and nothing else
    extra_text                        a complete object with something before or after it
    not_json                          everything else

That is for answers in JSON. Of a bare answer (the forms `label` and `letter`) `bench.choices` says
whether it is valid, truncated or no_category, after the first two rows.

"Nothing else" means: nothing but the four characters that JSON calls white space. A no-break space
or a byte order mark around an object is other text, because a strict reader refuses it.

It does not repair: whether a lenient reader would have got the answer (`recover`) is asked only for
answers that are not valid, and never changes the outcome. It reads no file and never raises.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from bench import choices
from bench.records import (
    FAILED_MEASUREMENTS,
    AnswerField,
    AnswerSchema,
    Completion,
    Outcome,
    StopReason,
    Verdict,
)

MAX_DEPTH = 100
"""JSON nested deeper counts as not JSON: readers and writers down the line have limits of their own."""
MAX_LENIENT_CHARS = 8_000
"""A lenient reader is shown no more of a text than this: twice a usual answer of 1,024 tokens."""
_LENIENT_LIMITS = {"{[(": 32, "\"'`“”/": 256}
"""More of these characters, and json-repair is not asked: 16,000 characters of `{'` took it 15 s."""
_MAX_BROKEN_OBJECTS = 1_000
"""After so many failed beginnings no further object is looked for, so that time stays bounded."""

_JSON_SPACE = " \t\n\r"
_OBJECT_START = re.compile(r'\{[ \t\n\r]*["}]')
_FENCE = re.compile(r"```[A-Za-z0-9_+-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair is one character
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)


def judge(completion: Completion, schema: AnswerSchema) -> Verdict:
    """The verdict on one completion. Never raises."""
    if completion.error is not None:
        return Verdict(outcome=Outcome.BACKEND_ERROR, errors=(completion.error,))
    return judge_text(completion.text, schema, completion.stop_reason)


def judge_text(text: str, schema: AnswerSchema, stop_reason: StopReason | None = None) -> Verdict:
    """The verdict on one text; `stop_reason` is why the model stopped, where known. Never raises."""
    if stop_reason == "context_overflow":
        return Verdict(outcome=Outcome.CONTEXT_OVERFLOW, errors=("the prompt does not fit the context",))
    if not text.strip():
        return Verdict(outcome=Outcome.EMPTY, errors=("there is no text",))
    if schema.form != "json":
        return choices.judge_choice(text, schema, stop_reason)
    stripped = text.strip(_JSON_SPACE)
    parsed = _parse(stripped)
    if isinstance(parsed, _Broken):
        return _judge_not_json(stripped, parsed, schema, stop_reason)
    return _judge_json(stripped, parsed, schema)


def recover(text: str, schema: AnswerSchema) -> dict[str, Any] | None:
    """The right-shaped answer a lenient reader would find in `text`, or None.

    It takes the first complete object if there is one; otherwise json-repair drops a fence and
    comments, closes what was cut off and mends quotes, commas and Python's literals. What it finds
    must fit the schema as it stands: no value is converted. Of a bare answer it takes the one label that
    the text names. Never raises.
    """
    if schema.form != "json":
        return choices.named_in(text, schema)
    found = next(_complete_objects(text), None)
    value = found.value if found else _repaired(text, schema)
    if not isinstance(value, dict) or _find_faults(value, schema):
        return None
    return value


# ---------------------------------------------------------------- the outcomes


def _judge_json(text: str, parsed: _Parsed, schema: AnswerSchema) -> Verdict:
    """The verdict on a text that is JSON and nothing else."""
    if not isinstance(parsed.value, dict):
        kind = _JSON_NAMES[type(parsed.value)]
        return _invalid(Outcome.WRONG_TYPE, f"the text is a JSON {kind}, not an object", text, schema)
    faults = _find_faults(parsed.value, schema)
    recoverable = not faults and not parsed.too_large
    faults += [_Fault(Outcome.WRONG_TYPE, f"the key {key!a} stands twice") for key in parsed.duplicates]
    faults += [_Fault(Outcome.OUT_OF_RANGE, "a number is too large for 64 bits")] * parsed.too_large
    known = _reader(schema).keys
    unknown = tuple(key for key in parsed.value if key not in known)
    if not faults:
        return Verdict(outcome=Outcome.VALID, answer=parsed.value, recoverable=True, unknown_keys=unknown)
    return Verdict(
        outcome=min((fault.outcome for fault in faults), key=_FIELD_OUTCOMES.index),
        recoverable=recoverable,
        errors=tuple(fault.message for fault in faults),
        unknown_keys=unknown,
    )


def _judge_not_json(
    text: str, broken: _Broken, schema: AnswerSchema, stop_reason: StopReason | None
) -> Verdict:
    """The verdict on a text that is not JSON, or not only JSON."""
    has_object = next(_complete_objects(text), None) is not None
    if stop_reason == "length" and not has_object:
        message = f"cut off at max_tokens before an object was complete; {broken.reason}"
        return _invalid(Outcome.TRUNCATED, message, text, schema)
    fence = _FENCE.fullmatch(text)
    if fence and isinstance(_parse(fence[1].strip(_JSON_SPACE)), _Parsed):
        return _invalid(Outcome.FENCED, "the JSON stands in a code fence", text, schema)
    if has_object:
        message = f"there is text beside the JSON object; {broken.reason}"
        return _invalid(Outcome.EXTRA_TEXT, message, text, schema)
    return _invalid(Outcome.NOT_JSON, broken.reason, text, schema)


def _invalid(outcome: Outcome, message: str, text: str, schema: AnswerSchema) -> Verdict:
    recoverable = outcome not in FAILED_MEASUREMENTS and recover(text, schema) is not None
    return Verdict(outcome=outcome, errors=(message,), recoverable=recoverable)


# ---------------------------------------------------------------- the strict parser


class _Parsed(NamedTuple):
    """A JSON value, and what Python's parser would have passed over in silence."""

    value: Any
    end: int
    duplicates: tuple[str, ...]
    too_large: bool


class _Broken(NamedTuple):
    """Why a text is not JSON, and where a search for another object may go on."""

    reason: str
    position: int


class _NotANumberError(ValueError):
    """NaN or an infinity stands where JSON has no word for it."""


_JSON_NAMES: dict[type, str] = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


class _Reader:
    """One strict reading of one text: Python's parser, with its holes closed.

    Python takes NaN and infinities, lone surrogates and duplicate keys, makes `1e999` an infinity,
    refuses integers of more than 4,300 digits with a plain ValueError, and recurses.
    """

    def __init__(self) -> None:
        self.duplicates: list[str] = []
        self.too_large = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._int,
            parse_constant=self._constant,
        )

    def read(self, text: str, start: int) -> _Parsed | _Broken:
        """The JSON value that begins at `start`; what follows it is not looked at."""
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            # an unterminated string swallows the rest of the text: nothing after it is another object
            rest = len(text) if error.msg.startswith("Unterminated string") else error.pos
            return _Broken(f"not JSON: {error.msg} (character {error.pos})", rest)
        except _NotANumberError as error:
            return _Broken(f"not JSON: {error} is not a number in JSON", len(text))
        except RecursionError:
            return _Broken(_TOO_DEEP, len(text))
        found = text[start:end]
        if found.count("[") + found.count("{") > MAX_DEPTH and _is_deep(value):
            return _Broken(_TOO_DEEP, len(text))
        if _has_lone_surrogate(found):
            return _Broken("not JSON: half of a surrogate pair is not a character", end)
        return _Parsed(value, end, tuple(self.duplicates), self.too_large)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self.duplicates.append(key)
                seen.add(key)
        return value

    def _float(self, digits: str) -> float:
        value = float(digits)
        self.too_large = self.too_large or math.isinf(value)
        return value

    def _int(self, digits: str) -> int | float:
        # beyond this length it may not fit a float; int() itself gives up at 4,300 digits
        return int(digits) if len(digits) <= 308 else self._float(digits)

    def _constant(self, name: str) -> Any:
        raise _NotANumberError(name)


_TOO_DEEP = f"not JSON: nested deeper than {MAX_DEPTH} levels"


def _parse(text: str) -> _Parsed | _Broken:
    """`text` as one JSON value and nothing else; JSON white space must be off already."""
    parsed = _Reader().read(text, 0)
    if isinstance(parsed, _Parsed) and parsed.end < len(text):
        return _Broken(f"not JSON: text after the end (character {parsed.end})", parsed.end)
    return parsed


def _complete_objects(text: str) -> Iterator[_Parsed]:
    """The JSON objects in `text` that stand in no other object, a broken one included.

    An object inside one that is broken later, or never closed, is a part of it and no answer.
    """
    position = 0
    for _ in range(_MAX_BROKEN_OBJECTS):
        start = _OBJECT_START.search(text, position)
        if start is None:
            return
        parsed = _Reader().read(text, start.start())
        if isinstance(parsed, _Parsed):
            yield parsed
            position = parsed.end
        else:
            position = max(parsed.position, start.start() + 1)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return any(isinstance(node, (dict, list)) for node in level)


def _has_lone_surrogate(text: str) -> bool:
    """Whether JSON text has half a surrogate pair, as a raw character or as an escape."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return True
    if not _SURROGATE_ESCAPE.search(text):
        return False
    return any(escape["lone"] for escape in _ESCAPES.finditer(text))


def _repaired(text: str, schema: AnswerSchema) -> Any:
    """What json-repair makes of `text`, which holds no complete object; None where it is not asked."""
    # text before the first brace is prose, whose quotes and brackets would mislead it
    shown = text[text.find("{") :][:MAX_LENIENT_CHARS] if "{" in text else ""
    if not shown or any(field.name not in shown for field in schema.fields):
        return None
    if any(sum(map(shown.count, marks)) > limit for marks, limit in _LENIENT_LIMITS.items()):
        return None
    from json_repair import repair_json

    try:
        return repair_json(shown, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, LookupError, TypeError):
        return None  # a library's crash on hostile text means: not recoverable


# ---------------------------------------------------------------- the fields


class _Fault(NamedTuple):
    outcome: Outcome
    message: str


_FIELD_OUTCOMES = (Outcome.MISSING_FIELD, Outcome.WRONG_TYPE, Outcome.OUT_OF_RANGE)
_RANGE_ERRORS = frozenset({"greater_than_equal", "less_than_equal", "finite_number", "value_error"})
_TYPES: dict[str, Any] = {"text": str, "number": float, "integer": int, "boolean": bool}


class _SchemaReader(NamedTuple):
    """An answer schema as a strict pydantic model, and its keys."""

    model: type[BaseModel]
    keys: frozenset[str]


@lru_cache(maxsize=64)
def _reader(schema: AnswerSchema) -> _SchemaReader:
    # pydantic's strict mode has our rules: an int is a number, a bool or a text is not. Fields are
    # numbered and take the real name as alias, so that any key (`schema`, `_x`, `a b`) can be one.
    fields: dict[str, Any] = {
        f"field_{index}": (_annotation(field), Field(alias=field.name))
        for index, field in enumerate(schema.fields)
    }
    model = create_model("Answer", __config__=ConfigDict(strict=True, extra="ignore"), **fields)
    return _SchemaReader(model, frozenset(field.name for field in schema.fields))


def _annotation(field: AnswerField) -> Any:
    base = _TYPES[field.type]
    if field.type == "text":
        return Annotated[base, AfterValidator(_text_check(field.choices))]
    if field.type == "number":
        return Annotated[base, Field(ge=field.minimum, le=field.maximum, allow_inf_nan=False)]
    if field.type == "integer":
        return Annotated[base, Field(ge=field.minimum, le=field.maximum)]
    return base


def _text_check(choices: tuple[str, ...] | None) -> Any:
    def check(text: str) -> str:
        if not text.strip():
            raise ValueError("the text is blank")
        if choices is not None and text not in choices:
            raise ValueError(f"the text is none of {', '.join(choices)}")
        return text

    return check


def _find_faults(answer: dict[str, Any], schema: AnswerSchema) -> list[_Fault]:
    """What is wrong with the fields of a parsed object, in the schema's order."""
    try:
        _reader(schema).model.model_validate(answer)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        return [_Fault(_outcome(detail["type"]), _sentence(detail)) for detail in details]
    return []


def _outcome(error_type: str) -> Outcome:
    if error_type == "missing":
        return Outcome.MISSING_FIELD
    return Outcome.OUT_OF_RANGE if error_type in _RANGE_ERRORS else Outcome.WRONG_TYPE


def _sentence(detail: Any) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ").replace("Input", "it", 1)
    return f"{detail['loc'][0]}: {message[:1].lower()}{message[1:]}"
