"""Documents packed into blocks of tokens, for training on raw text.

In: documents and a tokenizer. Out: blocks of at most so many tokens. A document that fits stays whole; a
longer one is cut into pieces that do. Each ends with the tokenizer's mark between documents, so that a
model learns where one ends. It shuffles nothing and masks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Marks(NamedTuple):
    """Tokens around documents."""

    first: tuple[int, ...]
    """Before the first document of a block."""
    end: int
    """After each document."""


def marks(tokenizer: Any, *, is_masked: bool) -> Marks:
    """An encoder's CLS and SEP; a causal model's end of text, which chat tokenizers use for padding too."""
    if is_masked:
        return Marks((tokenizer.cls_token_id,), tokenizer.sep_token_id)
    has_chat = tokenizer.chat_template is not None
    end = tokenizer.pad_token_id if has_chat and tokenizer.pad_token_id is not None else None
    return Marks((), tokenizer.eos_token_id if end is None else end)


def tokenized(documents: Iterable[str], tokenizer: Any, around: Marks) -> Iterator[list[int]]:
    """The tokens of each document with its end; names of control tokens in it are text."""
    for document in documents:
        found = tokenizer(document, add_special_tokens=False, split_special_tokens=True, verbose=False)
        yield [*found["input_ids"], around.end]


def packed(sequences: Iterable[list[int]], n_tokens: int, around: Marks) -> list[list[int]]:
    """The sequences in their order, as many to a block of `n_tokens` as fit whole."""
    blocks: list[list[int]] = []
    block = list(around.first)
    for piece in _pieces(sequences, n_tokens - len(around.first)):
        if len(block) + len(piece) > n_tokens:
            blocks.append(block)
            block = list(around.first)
        block += piece
    if len(block) > len(around.first):
        blocks.append(block)
    return blocks


def decisions(
    ids: list[int], starts: frozenset[int], newlines: frozenset[int], end: int, n_tokens: int
) -> list[bool]:
    """Which tokens of a block take a side: the first `n_tokens` after each of `starts` (an assistant's role),
    and of a document's last line, where the document has several lines.
    """
    found = [False] * len(ids)
    line: int | None = None
    for place, token in enumerate(ids):
        if token in starts:
            _mark(found, place + 1, n_tokens)
        if token in newlines:
            line = place + 1
        elif token == end:
            if line is not None and line < place:
                _mark(found, line, min(n_tokens, place - line))
            line = None
    return found


def _mark(found: list[bool], first: int, n: int) -> None:
    for place in range(first, min(first + n, len(found))):
        found[place] = True


def _pieces(sequences: Iterable[list[int]], n_tokens: int) -> Iterator[list[int]]:
    for whole in sequences:
        for start in range(0, len(whole), n_tokens):
            yield whole[start : start + n_tokens]
