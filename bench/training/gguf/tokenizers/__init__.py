"""A tokenizer as GGUF metadata: the kinds that llama.cpp has, recognized by what they do.

In: a folder's tokenizer as transformers loaded it, and how many rows the embedding has. Out: metadata in
a writer, and what holds only under a condition; or a ModelFileError that says what llama.cpp would
tokenize otherwise. Nothing is decided by a name.

    vocabulary     token texts and what each token is
    byte_level     byte-level BPE (GPT-2, Llama-3, Qwen)
    sentencepiece  BPE by scores with byte fallback (Llama-2, Mistral, Phi-3)
    special        bos, eos, end of turn, padding, and the chat template
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import gguf

from bench.errors import ModelFileError
from bench.training.gguf.source import Source
from bench.training.gguf.tokenizers import byte_level, sentencepiece, special
from bench.training.gguf.tokenizers.vocabulary import Vocabulary, read_vocabulary

Plain = Literal["", "whole", "split"]
"""How texts alone can be compared: not at all, with special tokens read as such, or also as text."""


def plain_texts(source: Source) -> Plain:
    """How texts outside a prompt are cut alike by transformers and by llama.cpp."""
    parts: dict[str, Any] = json.loads(source.tokenizer.backend_tokenizer.to_str())
    if not parts["model"].get("byte_fallback"):
        return "split"
    return "whole" if sentencepiece.space_scheme(parts, str(source.folder)) in ("each", "never") else ""


def describe_tokenizer(writer: gguf.GGUFWriter, source: Source, n_rows: int, name: str) -> tuple[str, ...]:
    """Write the whole tokenizer and the model's name; what holds only under a condition comes back."""
    shown = str(source.folder)
    parts: dict[str, Any] = json.loads(source.tokenizer.backend_tokenizer.to_str())
    vocabulary = read_vocabulary(parts, n_rows, shown)
    model = parts["model"]
    if model.get("type") != "BPE":
        raise ModelFileError(
            f"{shown}: a {model.get('type')} tokenizer cannot be exported; llama.cpp's gives other tokens. "
            "BPE is known here, byte-level or with byte fallback"
        )
    _refuse_options(model, shown)
    kind = sentencepiece if model.get("byte_fallback") else byte_level
    notes = kind.describe(writer, parts, vocabulary, source)
    writer.add_name(_name(name, vocabulary, shown))
    if any(token.rstrip for token in vocabulary.added):
        notes = (
            *notes,
            "special tokens swallow white space after them; llama.cpp swallows that of ASCII only",
        )
    return (*notes, *special.describe(writer, source, vocabulary))


def _refuse_options(model: dict[str, Any], shown: str) -> None:
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(option):
            raise ModelFileError(f"{shown}: its tokenizer sets {option}, which llama.cpp does not have")


_PHI3_STAY = ("<s>", "<unk>", "<|endoftext|>")


def _name(name: str, vocabulary: Vocabulary, shown: str) -> str:
    """The model's name, by which llama.cpp decides whether special tokens swallow white space after them.

    It does so for all but three tokens where the name contains `phi-3` or `phi3`, and for none elsewhere.
    """
    stripping = {token.text for token in vocabulary.added if token.rstrip}
    says_phi3 = any(word in name.lower() for word in ("phi-3", "phi3"))
    if not stripping:
        return re.sub(r"(?i)(phi)-?3", r"\1 3", name)
    needed = {"</s>", *_PHI3_STAY}
    special = {token.text for token in vocabulary.added} | {"</s>"}
    if stripping != special - set(_PHI3_STAY) or not needed <= set(vocabulary.texts):
        raise ModelFileError(
            f"{shown}: {min(stripping)!r} swallows white space after it (rstrip); llama.cpp does so for each "
            "special token but <s>, <unk> and <|endoftext|>, as in Phi-3, or for none"
        )
    return name if says_phi3 else f"{name} (phi-3)"
