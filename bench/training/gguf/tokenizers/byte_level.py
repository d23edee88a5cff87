"""Byte-level BPE: GPT-2, Llama-3, Qwen2 and 3 and what cuts a text as they do.

In: tokenizer.json's content. Out: tokens, merges and the name by which llama.cpp knows this way of cutting
a text into words, found by what the pre-tokenizer does; or a ModelFileError for any other way.
"""

from __future__ import annotations

from typing import Any

import gguf

from bench.errors import ModelFileError
from bench.training.gguf.source import Source
from bench.training.gguf.tokenizers.vocabulary import Vocabulary

_ENGLISH = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = rf"{_ENGLISH}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}"
_QWEN2 = rf"{_ENGLISH}|{_WORDS}|\p{{N}}|{_REST}"
_GPT2 = "GPT-2's own expression, built into the library"
_DIGITS = "each digit alone"
_NAMES = {
    ((_GPT2,), False): "gpt-2",
    ((_DIGITS, _GPT2), False): "smollm",
    ((_LLAMA3,), True): "llama-bpe",
    ((_LLAMA3,), False): "dbrx",
    ((_QWEN2,), False): "qwen2",
}
"""(how words are cut, whether a word that is a token is left whole) -> llama.cpp's name of it."""


def describe(
    writer: gguf.GGUFWriter, parts: dict[str, Any], vocabulary: Vocabulary, source: Source
) -> tuple[str, ...]:
    """Write tokens, merges and the way of cutting."""
    shown, model = str(source.folder), parts["model"]
    name = pre_tokenizer_name(parts, shown)
    _refuse_missing_bytes(vocabulary, shown)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(list(vocabulary.texts))
    writer.add_token_types(list(vocabulary.kinds))
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]])
    return _normalizer_notes(parts.get("normalizer"), shown)


def pre_tokenizer_name(parts: dict[str, Any], shown: str) -> str:
    """llama.cpp's name of the pre-tokenizer; ModelFileError where it has none that does the same."""
    steps = _steps(parts.get("pre_tokenizer"), shown)
    leaves_whole = bool(parts["model"].get("ignore_merges"))
    name = _NAMES.get((steps, leaves_whole))
    if name is None:
        what = "; ".join(steps) or "nothing"
        whole = ", and leaves words whole that are tokens (ignore_merges)" if leaves_whole else ""
        raise ModelFileError(
            f"{shown}: its tokenizer cuts a text by {what[:300]}{whole}; llama.cpp does not know it, so "
            f"the tokens would differ. Known: those of {', '.join(sorted(_NAMES.values()))}"
        )
    return name


def _steps(pre: dict[str, Any] | None, shown: str) -> tuple[str, ...]:
    """What a pre-tokenizer does, one expression for each step."""
    found = pre.get("pretokenizers", [pre]) if pre else []
    steps = []
    for step in found:
        kind = step["type"]
        if kind == "ByteLevel":
            if step.get("add_prefix_space"):
                raise ModelFileError(
                    f"{shown}: its tokenizer puts a space before every text (add_prefix_space); "
                    "llama.cpp does not for byte-level BPE"
                )
            steps += [_GPT2] if step.get("use_regex", True) else []
        elif kind == "Split" and step["behavior"] == "Isolated" and not step["invert"]:
            steps.append(str(step["pattern"].get("Regex", step["pattern"])))
        elif kind == "Digits" and step["individual_digits"]:
            steps.append(_DIGITS)
        else:
            steps.append(f"{kind} {sorted((k, v) for k, v in step.items() if k != 'type')}")
    if not found or found[-1]["type"] != "ByteLevel":
        raise ModelFileError(f"{shown}: its tokenizer is neither byte-level nor has it byte fallback")
    return tuple(steps)


def _refuse_missing_bytes(vocabulary: Vocabulary, shown: str) -> None:
    missing = sorted(set(byte_characters()) - set(vocabulary.texts))
    if missing:
        raise ModelFileError(
            f"{shown}: {len(missing)} of 256 bytes are no token (e.g. {missing[0]!r}); llama.cpp drops "
            "what it has no token for, so texts would be read otherwise"
        )


def byte_characters() -> list[str]:
    """The characters that stand for the bytes 0 to 255."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _normalizer_notes(normalizer: dict[str, Any] | None, shown: str) -> tuple[str, ...]:
    if normalizer is None or normalizer == {"type": "Sequence", "normalizers": []}:
        return ()
    if normalizer["type"] != "NFC":
        raise ModelFileError(
            f"{shown}: its tokenizer changes a text first ({normalizer['type']}), which llama.cpp does not do"
        )
    return ("the tokenizer composes characters (NFC) and llama.cpp does not: tokens agree on composed texts",)
