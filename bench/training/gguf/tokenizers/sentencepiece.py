"""BPE with byte fallback, as SentencePiece makes it: Llama-2, Mistral, Phi-3.

In: tokenizer.json's content. Out: tokens with scores, and whether a space is put before a text; or a
ModelFileError where llama.cpp would merge otherwise. llama.cpp knows no merges: it joins the pair whose
result has the highest score. That is the same only if every way to make a token is a merge, and if merges
of one token stand together; both are true of what SentencePiece trained, and both are looked at here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gguf

from bench.errors import ModelFileError
from bench.training.gguf.source import Source
from bench.training.gguf.tokenizers.special import MARK, prompt_segments
from bench.training.gguf.tokenizers.vocabulary import Vocabulary, is_byte

SPACE = "\u2581"
_NEVER_MADE = -1e9
"""Score of what no merge makes: single characters, bytes and added tokens."""


def describe(
    writer: gguf.GGUFWriter, parts: dict[str, Any], vocabulary: Vocabulary, source: Source
) -> tuple[str, ...]:
    """Write tokens, scores and the space before a text."""
    shown = str(source.folder)
    if sum(is_byte(text) for text in vocabulary.texts) != 256:
        raise ModelFileError(f"{shown}: byte fallback needs a token for each of 256 bytes (<0x00> to <0xFF>)")
    scores = scores_of(parts["model"], vocabulary, shown)
    prefix = space_prefix(space_scheme(parts, shown), source, vocabulary)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(list(vocabulary.texts))
    writer.add_token_scores(scores)
    writer.add_token_types(list(vocabulary.kinds))
    writer.add_add_space_prefix(prefix.added)
    return prefix.notes


def scores_of(model: dict[str, Any], vocabulary: Vocabulary, shown: str) -> list[float]:
    """One score for each token: minus the rank of the merges that make it.

    ModelFileError where merges say more than scores can.
    """
    ranks: dict[str, int] = {}
    last, pairs = "", set()
    for n, pair in enumerate(model["merges"]):
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        made = left + right
        if made in ranks and made != last:
            raise ModelFileError(
                f"{shown}: its tokenizer makes {made!r} at different ranks; llama.cpp has one score for "
                "each token, so texts would be cut otherwise. Save the one that SentencePiece trained"
            )
        ranks.setdefault(made, n)
        last = made
        pairs.add((left, right))
    _refuse_other_ways(vocabulary, pairs, shown)
    return [-float(ranks[text]) if text in ranks else _NEVER_MADE for text in vocabulary.texts]


def _refuse_other_ways(vocabulary: Vocabulary, pairs: set[tuple[str, str]], shown: str) -> None:
    """Every two pieces whose join is a token must be a merge, because llama.cpp would join them."""
    pieces = {
        text
        for text, kind in zip(vocabulary.texts, vocabulary.kinds, strict=True)
        if kind == gguf.TokenType.NORMAL
    }
    for text in pieces:
        for left, right in _halves(text):
            if (left, right) in pairs:
                continue
            # a character without a token is still joined before it falls back to bytes
            if all(half in pieces or len(half) == 1 for half in (left, right)):
                raise ModelFileError(
                    f"{shown}: llama.cpp would join {left!r} and {right!r} to the token {text!r}, the "
                    "tokenizer has no such merge; texts would be cut otherwise. Save the one that "
                    "SentencePiece trained, or a byte-level one"
                )


def _halves(text: str) -> Iterator[tuple[str, str]]:
    return ((text[:i], text[i:]) for i in range(1, len(text)))


class Prefix(NamedTuple):
    """What llama.cpp is told."""

    added: bool
    notes: tuple[str, ...] = ()


def space_scheme(parts: dict[str, Any], shown: str) -> str:
    """Where the tokenizer puts a space before a text; ModelFileError where it does anything but spaces.

    `each` text between special tokens; `always` and `first` only where no space stands there; `never`.
    """
    normalizer, pre = parts.get("normalizer"), parts.get("pre_tokenizer")
    steps = normalizer.get("normalizers", [normalizer]) if normalizer else []
    prepends = [s for s in steps if s == {"type": "Prepend", "prepend": SPACE}]
    replaces = [s for s in steps if s == {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]
    if len(prepends) + len(replaces) != len(steps):
        other = next(s["type"] for s in steps if s not in prepends and s not in replaces)
        raise ModelFileError(f"{shown}: its tokenizer changes a text by {other}, which llama.cpp does not do")
    if pre is None and replaces:
        return "each" if prepends else "never"
    whole = {"type": "Metaspace", "replacement": SPACE, "split": False}
    if pre and whole.items() <= pre.items() and not prepends:
        return str(pre["prepend_scheme"])
    what = pre["type"] if pre else "nothing"
    raise ModelFileError(
        f"{shown}: its tokenizer cuts a text by {what} before it merges; llama.cpp merges a whole text, with "
        f"{SPACE} for a space"
    )


def space_prefix(scheme: str, source: Source, vocabulary: Vocabulary) -> Prefix:
    """Whether llama.cpp shall put a space before each text between special tokens.

    It does so always or never. Where the tokenizer does so at some places only, the places of a prompt,
    rendered by the chat template, must be all of one kind.
    """
    if scheme in ("each", "never"):
        return Prefix(scheme == "each")
    note = "texts outside a prompt that begin with a space, or follow none, may be cut otherwise by llama.cpp"
    wanted: set[bool] = set()
    for text, is_first in prompt_segments(source, vocabulary):
        if scheme == "first" and not is_first:
            wanted.add(False)
        else:
            # what somebody writes may begin with a space or not
            wanted |= {True, False} if text.startswith(MARK) else {not text.startswith(" ")}
    if len(wanted) > 1:
        raise ModelFileError(
            f"{source.folder}: its tokenizer puts a space before some texts of a prompt and not others "
            f"(prepend_scheme {scheme}); llama.cpp does so for all or none, so prompts would differ"
        )
    return Prefix(wanted.pop() if wanted else True, (note,))
