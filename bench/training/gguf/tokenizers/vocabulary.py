"""A tokenizer's tokens in the order of their ids: text, and what each one is to llama.cpp.

In: tokenizer.json's content and the embedding's rows. Out: a Vocabulary, or a ModelFileError where ids and
rows contradict each other. Rows without a token (embeddings are padded) are named and marked unused.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import gguf

from bench.errors import ModelFileError


class Added(NamedTuple):
    """A token beside the merges: found in a text before anything is merged."""

    id: int
    text: str
    special: bool
    rstrip: bool


class Vocabulary(NamedTuple):
    """All tokens; one text and one kind for each row of the embedding."""

    texts: tuple[str, ...]
    kinds: tuple[gguf.TokenType, ...]
    added: tuple[Added, ...]

    @property
    def ids(self) -> dict[str, int]:
        """Id of each text."""
        return {text: i for i, text in enumerate(self.texts)}


def read_vocabulary(parts: dict[str, Any], n_rows: int, shown: str) -> Vocabulary:
    """The tokens of a tokenizer. ModelFileError where they do not fit the embedding's rows."""
    found = parts["model"]["vocab"]
    merged = {text: i for i, (text, _) in enumerate(found)} if isinstance(found, list) else dict(found)
    added = tuple(_added(token, shown) for token in parts["added_tokens"])
    by_id = {number: text for text, number in merged.items()} | {token.id: token.text for token in added}
    if max(by_id) >= n_rows:
        raise ModelFileError(
            f"{shown}: token {max(by_id)} ({by_id[max(by_id)]!r}) has no row in the embedding of {n_rows}; "
            "resize the embedding, or save the tokenizer that the model was trained with"
        )
    texts, kinds = [], []
    special = {token.id: token.special for token in added}
    unknown = parts["model"].get("unk_token")
    for i in range(n_rows):
        text = by_id.get(i)
        texts.append(f"[PAD{i}]" if text is None else text)
        kinds.append(_kind(i, text, special, unknown, parts["model"]))
    if len(set(texts)) < n_rows:
        twice = next(text for text, n in Counter(texts).items() if n > 1)
        raise ModelFileError(f"{shown}: two tokens are called {twice!r}; llama.cpp needs one id a text")
    return Vocabulary(tuple(texts), tuple(kinds), added)


def _kind(
    number: int, text: str | None, special: dict[int, bool], unknown: str | None, model: dict[str, Any]
) -> gguf.TokenType:
    if text is None:
        return gguf.TokenType.UNUSED
    if model.get("byte_fallback") and text == unknown:
        return gguf.TokenType.UNKNOWN
    if number in special:
        return gguf.TokenType.CONTROL if special[number] else gguf.TokenType.USER_DEFINED
    if model.get("byte_fallback") and is_byte(text):
        return gguf.TokenType.BYTE
    return gguf.TokenType.NORMAL


def is_byte(text: str) -> bool:
    """Whether a token stands for one byte: `<0x0A>`."""
    return len(text) == 6 and text.startswith("<0x") and text.endswith(">")


def _added(token: dict[str, Any], shown: str) -> Added:
    for option in ("lstrip", "single_word"):
        if token.get(option):
            raise ModelFileError(
                f"{shown}: added token {token['content']!r} sets {option}, which llama.cpp does not have"
            )
    if not token["content"]:
        raise ModelFileError(f"{shown}: added token {token['id']} is empty; remove it from the tokenizer")
    return Added(token["id"], token["content"], bool(token["special"]), bool(token.get("rstrip")))
