"""A grammar that lets a model write only answers of a task's schema.

In: an AnswerSchema. Out: GBNF text with the rule `root`; of a bare answer, its texts. Unlike the
engine's own converter from JSON schema, it keeps numbers inside their range and control characters out of
texts. Keys come in the schema's order, and no others. A constrained arm hides what free
output would show: it is a factor.
"""

from __future__ import annotations

import json

from bench import choices
from bench.errors import UsageError
from bench.records import AnswerField, AnswerSchema

MAX_DECIMALS = 6
MAX_INTEGERS = 2000
_COMMON = r"""
blank ::= [ \n]{0,2}
text ::= "\"" character+ "\""
character ::= [^"\\\x00-\x1f\x7f] | "\\" (["\\/bfnrt] | "u" unit)
unit ::= [0-9a-cefA-CEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}
"""
_FRACTION = f'("." [0-9]{{1,{MAX_DECIMALS}}})?'
_ZEROS = f'("." "0"{{1,{MAX_DECIMALS}}})?'
_ANY_WHOLE = '"-"? ("0" | [1-9] [0-9]{0,14})'


def answer_grammar(schema: AnswerSchema) -> str:
    """The grammar of one answer; UsageError where a range cannot be written as one."""
    if schema.form != "json":
        return "root ::= " + " | ".join(map(_literal, choices.decoded_texts(schema))) + "\n"
    pairs = ' blank "," blank '.join(
        f'{_literal(json.dumps(field.name))} blank ":" blank value-{i}'
        for i, field in enumerate(schema.fields)
    )
    values = [f"value-{i} ::= {_value(field)}" for i, field in enumerate(schema.fields)]
    return "\n".join(['root ::= "{" blank ' + pairs + ' blank "}"', *values]) + _COMMON


def _value(field: AnswerField) -> str:
    if field.choices is not None:
        return " | ".join(_literal(json.dumps(choice, ensure_ascii=False)) for choice in field.choices)
    if field.type == "text":
        return "text"
    if field.type == "boolean":
        return '"true" | "false"'
    return _number(field)


def _number(field: AnswerField) -> str:
    """Every whole number of the range by its name, with a fraction wherever it stays inside."""
    fraction = "" if field.type == "integer" else _FRACTION
    if field.minimum is None and field.maximum is None:
        return f"{_ANY_WHOLE} {fraction}"
    low, high = field.minimum, field.maximum
    if low is None or high is None or low != int(low) or high != int(high) or high - low > MAX_INTEGERS:
        raise UsageError(
            f"field {field.name!r}: output json_schema needs a range between whole numbers at most "
            f"{MAX_INTEGERS} apart; use output: free"
        )
    zeros = "" if field.type == "integer" else _ZEROS
    return " | ".join(
        _positive(int(low), int(high), fraction, zeros) + _negative(int(low), int(high), fraction, zeros)
    )


def _positive(low: int, high: int, fraction: str, zeros: str) -> list[str]:
    """Numbers from 0 up: all but the highest may have any fraction."""
    if high < 0:
        return []
    inner = [str(n) for n in range(max(low, 0), high)]
    return _one_of("", inner, fraction) + _one_of("", [str(high)], zeros)


def _negative(low: int, high: int, fraction: str, zeros: str) -> list[str]:
    """Numbers below 0: their whole part, written after the sign, counts the other way."""
    if low >= 0:
        return []
    # -0.5 has the whole part 0; it is inside unless the range ends below 0
    inner = [str(n) for n in range(max(-high, 0), -low)]
    return _one_of("-", inner, fraction) + _one_of("-", [str(-low)], zeros)


def _one_of(sign: str, wholes: list[str], tail: str) -> list[str]:
    if not wholes:
        return []
    names = " | ".join(f'"{sign}{whole}"' for whole in wholes)
    return [f"({names}) {tail}".strip()]


def _literal(text: str) -> str:
    """`text` as a GBNF literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
