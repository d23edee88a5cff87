"""One line of a samples file: parsed and checked in one pass, without making a record of it.

In: the bytes of a line, and the task's answer schema. Out: the sample as a plain dictionary, or a ValueError
that says what is wrong with it. A report reads a million lines, so there is no record for each: pydantic's
validator checks types while it parses, which takes no longer than the standard library takes to parse. The
order of keys in a dictionary means nothing. It opens no file; of a file's other lines it knows the keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from pydantic_core import CoreConfig, SchemaValidator, ValidationError, core_schema

from bench.records import AnswerField, AnswerSchema, Outcome, StopReason

Row = dict[str, Any]
_STRICT = CoreConfig(strict=True)
"""Of each object anew: what is inside does not take it from what is around it."""
_STOP_REASONS: list[StopReason] = ["stop", "length", "context_overflow"]


@lru_cache(maxsize=64)
def line_reader(schema: AnswerSchema | None) -> Callable[[bytes], Row]:
    """What reads one line of a run with this answer schema; None where the run recorded no schema.

    It raises ValueError for what is not JSON, for JSON that is no sample, and for a valid answer that lacks
    a field of the schema or has another type, range or choice there.
    """
    validate = SchemaValidator(_sample(schema)).validate_json

    def read(line: bytes) -> Row:
        try:
            row: Row = validate(line)
        except ValidationError as error:
            raise ValueError(_reason(error)) from error
        verdict = row["verdict"]
        if (verdict["outcome"] == Outcome.VALID) == (verdict["answer"] is None):
            raise ValueError(
                f"not a sample (verdict.answer: {_shown(verdict['answer'])} where the outcome is "
                f"{verdict['outcome']})"
            )
        return row

    return read


class Keys:
    """The keys of one arm's samples so far: each of the run's, and none twice."""

    def __init__(self, arm: str, article_ids: Iterable[str], iterations: int | None) -> None:
        """`iterations`: how many the run asks for; None where they have numbers of their own."""
        self._arm = arm
        self._articles = frozenset(article_ids)
        self._iterations = math.inf if iterations is None else iterations
        self._seen: set[tuple[str, int]] = set()
        self._prompts: dict[str, str] = {}

    def add(self, row: Row) -> None:
        """Take one more sample; ValueError says why it cannot be one of this arm in this run."""
        prompt, article, iteration = row["prompt_id"], row["article_id"], row["iteration"]
        n = len(self._seen)
        self._seen.add((prompt, iteration))
        if len(self._seen) == n:
            raise ValueError(f"a second sample of prompt {prompt}, iteration {iteration}")
        if row["arm"] != self._arm:
            raise ValueError(f"a sample of the arm {row['arm']}, in the file of {self._arm}")
        if article not in self._articles:
            raise ValueError(f"a sample of article {article}, which is not in the run's manifest")
        if iteration >= self._iterations:
            raise ValueError(f"a sample of iteration {iteration}, and the run has {self._iterations}, from 0")
        if self._prompts.setdefault(article, prompt) != prompt:
            raise ValueError(
                f"a sample of prompt {prompt}, and article {article} has {self._prompts[article]}"
            )


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return f"not JSON ({first['msg']})"
    where = ".".join(str(part) for part in first["loc"])
    return f"not a sample ({f'{where}: ' if where else ''}{first['msg']})"


def _shown(answer: Row | None) -> str:
    return "none" if answer is None else "there is one"


def _sample(schema: AnswerSchema | None) -> core_schema.CoreSchema:
    """What readers rely on; keys that older or newer runs have besides are taken as they are."""
    text, count, seconds = core_schema.str_schema(), core_schema.int_schema(), _number(None, None)
    completion = _object(
        {
            "text": text,
            "stop_reason": _or_none(core_schema.literal_schema([*_STOP_REASONS])),
            "prompt_tokens": _or_none(count),
            "cached_tokens": _or_none(count),
            "completion_tokens": _or_none(count),
            "ttft_s": _or_none(seconds),
            "duration_s": _or_none(seconds),
            "batch_size": _or_none(count),
            "error": _or_none(text),
        },
        {"confidence": _or_none(_number(0, 1))},  # older runs have no such key
    )
    verdict = _object(
        {
            "outcome": core_schema.literal_schema([outcome.value for outcome in Outcome]),
            "answer": _or_none(_answer(schema)),
            "errors": core_schema.list_schema(text),
        },
        {"recoverable": core_schema.bool_schema()},
    )
    return _object(
        {
            "arm": text,
            "prompt_id": text,
            "article_id": text,
            "iteration": core_schema.int_schema(ge=0),
            "completion": completion,
            "verdict": verdict,
        }
    )


def _answer(schema: AnswerSchema | None) -> core_schema.CoreSchema:
    """The fields of a valid answer, with the types and limits that it was judged by."""
    return _object({field.name: _field(field, schema) for field in schema.fields} if schema else {})


def _field(field: AnswerField, schema: AnswerSchema) -> core_schema.CoreSchema:
    if field.type == "number":
        return _number(field.minimum, field.maximum)
    if field.type == "integer":
        return _whole_number(field.minimum, field.maximum)
    if field.type == "boolean":
        return core_schema.bool_schema()
    if field.choices is None:
        return core_schema.str_schema()
    own = schema.label_names if field.name == schema.label else ()
    return core_schema.literal_schema([*dict.fromkeys((*field.choices, *own))])


def _number(low: float | None, high: float | None) -> core_schema.CoreSchema:
    """A finite number in these limits; a whole one stays whole, so that an export writes it as it came."""
    limits = [f"{word} {limit:g}" for word, limit in (("from", low), ("to", high)) if limit is not None]
    return core_schema.union_schema(
        [_whole_number(low, high), core_schema.float_schema(ge=low, le=high, allow_inf_nan=False)],
        custom_error_type="number",
        custom_error_message=" ".join(["Input should be a finite number", *limits]),
    )


def _whole_number(low: float | None, high: float | None) -> core_schema.CoreSchema:
    return core_schema.int_schema(
        ge=None if low is None else math.ceil(low), le=None if high is None else math.floor(high)
    )


def _or_none(schema: core_schema.CoreSchema) -> core_schema.CoreSchema:
    return core_schema.nullable_schema(schema)


def _object(
    required: dict[str, core_schema.CoreSchema], optional: dict[str, core_schema.CoreSchema] | None = None
) -> core_schema.CoreSchema:
    fields = {name: core_schema.typed_dict_field(one) for name, one in required.items()}
    for name, one in (optional or {}).items():
        fields[name] = core_schema.typed_dict_field(one, required=False)
    return core_schema.typed_dict_schema(fields, extra_behavior="allow", config=_STRICT)
