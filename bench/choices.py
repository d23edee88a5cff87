"""Bare answers: one label, or one option's letter, and nothing else.

In: an answer schema of the form `label` or `letter`, and a text. Out: what a right answer looks like, and
a Verdict. The first outcome that fits wins:

    valid        the text is a label, a synonym that the label map lists, or an option's letter
    truncated    cut at max_tokens, and so far the beginning of such a text
    no_category  everything else

The text must be exactly that, but for what the schema tolerates, taken off in this order and once each:
`space` around it, a `period` at its end, `quotes` or `brackets` around it (also one closing bracket), and
`case`. An answer that has a prefix begins with it where the model is told to write it, and may have one
space after it. Nothing is guessed: "probably positive" is no_category, and recoverable.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import Any, NamedTuple

from bench.records import AnswerSchema, Outcome, StopReason, Verdict

LETTERS = string.ascii_uppercase
_QUOTES = ('""', "''", "``", "“”", "‘’")
_BRACKETS = ("()", "[]", "{}")
_CLOSING = re.compile(r"\w\)")


def texts(schema: AnswerSchema) -> dict[str, str]:
    """Every text that is a right answer, without prefix, with the label that it stands for."""
    labels = schema.fields[0].choices or ()
    if schema.form == "letter":
        return dict(zip(LETTERS, labels, strict=False))
    return {label: label for label in labels} | dict(schema.label_map)


def written(label: str, schema: AnswerSchema) -> str:
    """How a model should write a label, prefix included; KeyError for what is none of the labels."""
    names = {meant: text for text, meant in reversed(texts(schema).items())}
    return f"{schema.prefix} {names[label]}" if schema.prefix else names[label]


def decoded_texts(schema: AnswerSchema) -> tuple[str, ...]:
    """The texts that a model may write after the prompt, for a decoder that allows no others.

    With a prefix that the assistant's turn begins with, they begin with a space.
    """
    begin = "" if schema.prefix is None else " " if schema.prefix_as == "turn" else f"{schema.prefix} "
    return tuple(begin + text for text in texts(schema))


def options(schema: AnswerSchema) -> str:
    """The labels as a prompt lists them: `A. sarcastic`, one a line, or one after the other."""
    if schema.form == "letter":
        return "\n".join(f"{letter}. {label}" for letter, label in texts(schema).items())
    return ", ".join(next((f.choices or () for f in schema.fields if f.name == schema.label), ()))


def judge_choice(text: str, schema: AnswerSchema, stop_reason: StopReason | None) -> Verdict:
    """The verdict on a text that is not blank. Never raises."""
    known = _known(schema)
    begun = _without_prefix(text, schema)
    label = None if begun is None else known.labels.get(_folded(begun, schema))
    if label is not None:
        return Verdict(outcome=Outcome.VALID, answer={schema.fields[0].name: label}, recoverable=True)
    recoverable = named_in(text, schema) is not None
    so_far = text.strip().casefold()
    if stop_reason == "length" and any(w != so_far and w.startswith(so_far) for w in known.whole):
        error = "cut off at max_tokens before a label was complete"
        return Verdict(outcome=Outcome.TRUNCATED, errors=(error,), recoverable=recoverable)
    return Verdict(outcome=Outcome.NO_CATEGORY, errors=(known.error,), recoverable=recoverable)


def named_in(text: str, schema: AnswerSchema) -> dict[str, Any] | None:
    """The answer a lenient reader would take: the one label that the text names as a word, or None.

    Labels are looked for in any case, letters in upper case, the longest first; two different ones give
    None. Never raises.
    """
    known = _known(schema)
    exact = schema.form == "letter"
    found = {m[0] if exact else m[0].casefold() for m in known.words.finditer(text)}
    meant = {known.lenient[word] for word in found if word in known.lenient}
    return {schema.fields[0].name: meant.pop()} if len(meant) == 1 else None


def ambiguous(schema: AnswerSchema) -> str | None:
    """Two texts that are the same by what the schema tolerates but stand for two labels; None is right."""
    seen: dict[str, tuple[str, str]] = {}
    for text, label in texts(schema).items():
        other, meant = seen.setdefault(_folded(text, schema), (text, label))
        if meant != label:
            return f"{other!r} and {text!r}"
    return None


class _Known(NamedTuple):
    """What is looked up for every answer to one schema."""

    labels: dict[str, str]
    whole: tuple[str, ...]
    """Whole answers in lower case, as a cut one may begin."""
    words: re.Pattern[str]
    lenient: dict[str, str]
    error: str


@lru_cache(maxsize=64)
def _known(schema: AnswerSchema) -> _Known:
    right = texts(schema)
    told = f"{schema.prefix} " if schema.prefix and schema.prefix_as == "instruction" else ""
    exact = schema.form == "letter"
    longest_first = sorted(right, key=len, reverse=True)
    pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)"
    asked = f"{told.strip()!a} and one of " if told else "one of "
    shown = ", ".join(right) if len(right) <= 12 else ", ".join([*list(right)[:12], "..."])
    return _Known(
        labels={_folded(text, schema): label for text, label in right.items()},
        whole=tuple((told + text).casefold() for text in right),
        words=re.compile(pattern, re.NOFLAG if exact else re.IGNORECASE),
        lenient={text if exact else text.casefold(): label for text, label in right.items()},
        error=f"the answer is not {asked}{shown}",
    )


def _without_prefix(text: str, schema: AnswerSchema) -> str | None:
    """The text after the prefix; None where it lacks one that it should have."""
    if schema.prefix is None:
        return text
    if schema.prefix_as == "instruction":
        text = text.strip() if "space" in schema.tolerates else text
        head = text[: len(schema.prefix)]
        same = head.casefold() == schema.prefix.casefold() if "case" in schema.tolerates else False
        if head != schema.prefix and not same:
            return None
        text = text[len(schema.prefix) :]
    return text.removeprefix(" ")


def _folded(text: str, schema: AnswerSchema) -> str:
    """The text without what the schema tolerates."""
    tolerates = schema.tolerates
    if "space" in tolerates:
        text = text.strip()
    if "period" in tolerates:
        text = text.removesuffix(".")
    around = (_QUOTES if "quotes" in tolerates else ()) + (_BRACKETS if "brackets" in tolerates else ())
    if len(text) > 2 and text[0] + text[-1] in around:
        text = text[1:-1]
    elif "brackets" in tolerates and _CLOSING.fullmatch(text):
        text = text[:-1]
    return text.casefold() if "case" in tolerates else text
