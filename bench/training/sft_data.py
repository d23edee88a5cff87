"""The sequences of a supervised fine-tune: ids and labels, ready for trl's collator.

In: examples and raw texts, and a tokenizer. Out: a data set of `input_ids` and `labels`, in which only an
answer's tokens and the end of its turn bear loss, and of raw text every token. An example longer than
`max_tokens`, or than the base can read, is left out and counted, never cut: a cut answer teaches to stop in
the middle. Raw text may end anywhere. Where there are examples, texts stand evenly between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from datasets import Dataset

from bench.errors import ConfigError
from bench.training.conversation import Conversations, Tokens, document
from bench.training.methods import Data, Example
from bench.training.mixing import interleaved

IGNORED = -100
"""Label of a token that bears no loss."""


class Longest(NamedTuple):
    """What a sequence may measure."""

    n_tokens: int
    of_base: bool = False
    """Whether the base sets it, and not `trainer.max_tokens`."""

    @property
    def said(self) -> str:
        """It, for a message."""
        return (
            f"the {self.n_tokens} tokens that the base reads" if self.of_base else f"{self.n_tokens} tokens"
        )

    @property
    def remedy(self) -> str:
        """What makes room."""
        return "take a base that reads more" if self.of_base else "raise trainer.max_tokens"


class Sequences(NamedTuple):
    """What is trained on and what is held out."""

    train: Any
    """A `datasets.Dataset`."""
    validation: Any
    """The same, or None where nothing is held out."""
    counts: dict[str, int]
    """Examples, how many were too long, and sequences of raw text; for the card."""


def sequences(data: Data, tokenizer: Any, conversations: Conversations | None, longest: Longest) -> Sequences:
    """Both sides; ConfigError where nothing is short enough. Examples need `conversations`."""
    max_tokens = longest.n_tokens
    train, too_long = _examples(data.train, conversations, max_tokens)
    if data.train and not train:
        raise ConfigError(f"all {len(data.train)} examples are longer than {longest.said}; {longest.remedy}")
    texts = _documents(data.texts, tokenizer, max_tokens, ends=not train)
    if not train and not texts:
        raise ConfigError("there is nothing to learn from; give `data` with a `task`, or texts")
    held_out, held_out_too_long = _examples(data.validation, conversations, max_tokens)
    if not data.train:
        held_out += _documents(data.validation_texts, tokenizer, max_tokens, ends=True)
    counts = {
        "examples": len(train),
        "examples_too_long": too_long,
        "text_sequences": len(texts),
        "validation_sequences": len(held_out),
        "validation_examples_too_long": held_out_too_long,
    }
    return Sequences(_dataset(interleaved(train, texts)), _dataset(held_out) if held_out else None, counts)


def _examples(
    examples: Sequence[Example], conversations: Conversations | None, max_tokens: int
) -> tuple[list[Tokens], int]:
    """Those that fit, and how many do not."""
    if conversations is None:
        return [], 0
    found = [conversations.example(example.turns, example.answer) for example in examples]
    fitting = [tokens for tokens in found if len(tokens.ids) <= max_tokens]
    return fitting, len(found) - len(fitting)


def _documents(texts: Sequence[str], tokenizer: Any, max_tokens: int, *, ends: bool) -> list[Tokens]:
    found = [document(tokenizer, text, max_tokens, ends=ends) for text in texts]
    return [tokens for tokens in found if len(tokens.ids) > 1]  # the first token is never foretold


def _dataset(found: Sequence[Tokens]) -> Any:
    return Dataset.from_dict(
        {
            "input_ids": [list(tokens.ids) for tokens in found],
            "labels": [[IGNORED] * tokens.n_prompt + list(tokens.ids[tokens.n_prompt :]) for tokens in found],
        }
    )
