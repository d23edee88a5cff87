"""What a classifier reads of an item: its text, after the instruction where it was trained with one.

In: a text and the classifier's own tokenizer. Out: the text that is shown, and its tokens, whole. Names of
control tokens in an item are text, so no item can end its own text or look like padding. It cuts nothing.
"""

from __future__ import annotations

from typing import Any


def shown(text: str, instruction: str | None = None) -> str:
    """The text that the model is shown: the instruction, an empty line, the item's own text."""
    whole = text if instruction is None else f"{instruction}\n\n{text}"
    # a lone surrogate cannot be tokenized; it is shown as what it is
    return whole.encode("utf-8", "backslashreplace").decode("utf-8")


def token_ids(tokenizer: Any, text: str, instruction: str | None = None) -> list[int]:
    """All tokens of what is shown, with those that the tokenizer puts around a text."""
    found: list[int] = tokenizer(shown(text, instruction), truncation=False, split_special_tokens=True)[
        "input_ids"
    ]
    return found
