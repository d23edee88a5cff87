"""The tokens that mean something: what begins a text, what ends an answer, padding; and the chat template.

In: a folder's tokenizer and the tokens at which transformers stops. Out: metadata; or a ModelFileError
where GGUF has no place for what the folder says. llama.cpp ends an answer at eos, eot and eom and at
tokens of well-known names; every one of transformers' end tokens must be among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import gguf
import jinja2

from bench.errors import ModelFileError
from bench.hf_folder.loading import LOAD_ERRORS
from bench.training.gguf.source import Source
from bench.training.gguf.tokenizers.vocabulary import Vocabulary

ENDS_BY_NAME = frozenset(
    {
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>",
        "<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>",
    }
)  # fmt: skip
"""Texts of tokens at which llama.cpp ends an answer, whatever the file says (llama-vocab.cpp)."""
FILL_BY_NAME = frozenset(
    {
        "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>",
        "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>",
    }
)  # fmt: skip
"""Tokens for filling gaps in code, at the first of which an answer ends too."""
RENDER_ERRORS = (*LOAD_ERRORS, jinja2.TemplateError)
"""What rendering a template raises."""
_MORE_ENDS = 2
"""Places for end tokens beside eos: eot and eom."""
MARK = "Zq7"
"""Stands for what somebody writes; it occurs in no template."""


def describe(writer: gguf.GGUFWriter, source: Source, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Write the ids, what is added to a text, and the template."""
    shown, tokenizer = str(source.folder), source.tokenizer
    eos, n = tokenizer.eos_token_id, len(vocabulary.texts)
    if eos is None:
        raise ModelFileError(f"{shown}: its tokenizer names no end-of-sequence token; set eos_token in it")
    wrong = sorted(i for i in source.end_tokens if not 0 <= i < n)
    if wrong:
        raise ModelFileError(f"{shown}: end token {wrong[0]} is not in the vocabulary of {n}")
    writer.add_eos_token_id(eos)
    writer.add_bos_token_id(_beginning(source, n))
    for add, number in (
        (writer.add_pad_token_id, tokenizer.pad_token_id),
        (writer.add_unk_token_id, tokenizer.unk_token_id),
    ):
        if number is not None:
            add(number)
    turn, *more = _more_ends(source, vocabulary)
    writer.add_eot_token_id(turn)
    if more:
        writer.add_eom_token_id(more[0])
    adds_bos, adds_eos = added_around(tokenizer, shown)
    writer.add_add_bos_token(adds_bos)
    writer.add_add_eos_token(adds_eos)
    return _template(writer, tokenizer)


def _beginning(source: Source, n_tokens: int) -> int:
    """The token that begins a text. llama.cpp takes token 11 or 1 where a file names none."""
    for number in (source.tokenizer.bos_token_id, source.config.bos_token_id):
        if number is not None and 0 <= number < n_tokens:
            return int(number)
    return int(source.tokenizer.eos_token_id)


def _more_ends(source: Source, vocabulary: Vocabulary) -> list[int]:
    """The end tokens beside eos that the file names, the end of a turn first; at least one, at most two."""
    others = source.end_tokens - {source.tokenizer.eos_token_id}
    turn = [i for i in (end_of_turn(source),) if i in others]
    unnamed = sorted(i for i in others if vocabulary.texts[i] not in ENDS_BY_NAME and i not in turn)
    if len(turn) + len(unnamed) > _MORE_ENDS:
        names = ", ".join(vocabulary.texts[i] for i in [*turn, *unnamed])
        raise ModelFileError(
            f"{source.folder}: an answer ends at {names} beside eos; GGUF can name {_MORE_ENDS}; take one of "
            "them out of generation_config.json"
        )
    return [*turn, *unnamed] or [int(source.tokenizer.eos_token_id)]


def end_of_turn(source: Source) -> int | None:
    """The token that the template writes after an answer; None where it writes text, or there is none."""
    try:
        after = render(source.tokenizer, [("user", MARK), ("assistant", f"{MARK}{MARK}")], prompt=False)
    except RENDER_ERRORS:
        return None
    rest = after.rpartition(MARK)[2].lstrip()
    added = {str(token.content): number for number, token in source.tokenizer.added_tokens_decoder.items()}
    found = max((text for text in added if rest.startswith(text)), key=len, default=None)
    return None if found is None else int(added[found])


def render(tokenizer: Any, turns: list[tuple[str, str]], prompt: bool = True, **more: Any) -> str:
    """A conversation by the chat template, as transformers renders it."""
    messages = [{"role": role, "content": content} for role, content in turns]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt, **more)
    return text


def prompt_segments(source: Source, vocabulary: Vocabulary) -> Iterator[tuple[str, bool]]:
    """The texts between special tokens of a rendered prompt, and whether each begins the prompt."""
    if template_of(source.tokenizer) is None:
        return
    for turns in ([("user", MARK)], [("user", MARK), ("assistant", MARK), ("user", MARK)]):
        try:
            text = render(source.tokenizer, turns)
        except RENDER_ERRORS:
            continue
        names = sorted((re.escape(token.text) for token in vocabulary.added), key=len, reverse=True)
        parts = re.split("|".join(names), text) if names else [text]
        yield from ((part, i == 0) for i, part in enumerate(parts) if part)


def added_around(tokenizer: Any, shown: str) -> tuple[bool, bool]:
    """Whether transformers puts bos before a text and eos after it."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a", add_special_tokens=True)["input_ids"]
    bos, eos = [tokenizer.bos_token_id], [tokenizer.eos_token_id]
    for before, after in ((False, False), (True, False), (False, True), (True, True)):
        if whole == (bos if before else []) + plain + (eos if after else []):
            return before, after
    raise ModelFileError(f"{shown}: its tokenizer puts more around a text than bos and eos; GGUF cannot")


def template_of(tokenizer: Any) -> str | None:
    """The chat template that is used by default; None where there is none."""
    found = tokenizer.chat_template
    if isinstance(found, dict):  # several templates by name
        found = found.get("default")
    return found or None


def _template(writer: gguf.GGUFWriter, tokenizer: Any) -> tuple[str, ...]:
    template = template_of(tokenizer)
    if template is None:
        return ("no chat template: the file can be run, but not asked as an arm",)
    writer.add_chat_template(template)
    named = tokenizer.chat_template if isinstance(tokenizer.chat_template, dict) else {}
    left = sorted(name for name in named if name != "default")
    return (f"of several chat templates only `default` is exported (not {', '.join(left)})",) if left else ()
