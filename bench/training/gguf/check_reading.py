"""Whether a GGUF file reads and ends as its folder does: prompt, tokens, end of an answer.

In: a folder's tokenizer and the opened file. Out: one Finding for each. It computes no logits.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from bench.errors import one_line
from bench.training.engine import Engine
from bench.training.gguf.finding import Finding
from bench.training.gguf.source import Source
from bench.training.gguf.tokenizers import Plain, plain_texts
from bench.training.gguf.tokenizers.special import (
    ENDS_BY_NAME,
    FILL_BY_NAME,
    RENDER_ERRORS,
    added_around,
    render,
    template_of,
)
from bench.training.parity import strings

_REFUSED = "refused: "
_CONVERSATIONS = (
    [("user", "What is this?")],
    [("system", "Answer briefly."), ("user", "What is this?")],
    [("user", "Hello"), ("assistant", "Good day."), ("user", "  And\n\tthis?\n")],
)


def check_prompt(source: Source, engine: Engine) -> Finding:
    """The conversation as text, by the template of either, with the special tokens' texts of either."""
    template = template_of(source.tokenizer)
    if template is None or engine.template is None:
        both = template is None and engine.template is None
        where = "the folder" if template is None else "the file"
        detail = "neither has a chat template" if both else f"{where} has no chat template, the other has"
        return Finding("prompt", None if both else False, detail)
    special = engine.special()
    names = {f"{kind}_token": engine.text_of(special[kind]) for kind in ("bos", "eos")}
    n, expected = 0, ""
    for turns in _CONVERSATIONS:
        expected = _rendered(source, turns)
        found = _rendered(source, turns, chat_template=engine.template, **names)
        if expected != found:
            return Finding("prompt", False, _first_difference(turns, expected, found))
        n += not expected.startswith(_REFUSED)
    if not n:
        return Finding("prompt", False, f"the chat template renders no conversation: {expected}")
    return Finding("prompt", True, f"{n} conversations render alike")


def _rendered(source: Source, turns: list[tuple[str, str]], **more: Any) -> str:
    """A rendered text, or the template's refusal as text: a template may take no system turn."""
    try:
        return render(source.tokenizer, turns, **more)
    except RENDER_ERRORS as error:
        return f"{_REFUSED}{one_line(error)}"


def _first_difference(turns: list[tuple[str, str]], expected: str, found: str) -> str:
    at = next(
        (i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b),
        min(len(expected), len(found)),
    )
    roles = "+".join(role for role, _ in turns)
    shown = slice(max(0, at - 12), at + 28)
    return (
        f"the chat template renders {roles} otherwise from character {at} on: the file "
        f"{found[shown]!r}, the folder {expected[shown]!r}"
    )


def check_tokens(source: Source, engine: Engine, n_strings: int) -> Finding:
    """The vocabulary, and strings in a prompt and alone, token by token."""
    for look in (_vocabulary_difference, _addition_difference):
        difference = look(source, engine)
        if difference:
            return Finding("tokens", False, difference)
    special = [str(token) for token in source.tokenizer.added_tokens_decoder.values()]
    in_prompts = template_of(source.tokenizer) is not None and _renders(source)
    plain, n = plain_texts(source), 0
    for varied in strings(n_strings, special=special):
        # where spaces depend on what stands before, a name of a special token is broken up as arms do it
        text = varied if plain else _inert(varied, special)
        for shown, expected, found in _readings(source, engine, _composed(source, text), in_prompts, plain):
            n += 1
            if expected != found:
                return Finding("tokens", False, _token_difference(source, shown, expected, found))
    if not n:
        return Finding("tokens", None, "nothing to compare: no template, and texts alone may begin otherwise")
    where = "in prompts and alone" if in_prompts and plain else "in prompts" if in_prompts else "alone"
    return Finding("tokens", True, f"{n_strings} strings give the same tokens {where} ({n} comparisons)")


def _renders(source: Source) -> bool:
    """Whether a user's turn alone is a prompt; where it is not, the finding on prompts says so."""
    return not _rendered(source, [("user", "a")]).startswith(_REFUSED)


def _inert(text: str, special: list[str]) -> str:
    for name in sorted(special, key=len, reverse=True):
        text = text.replace(name, f"{name[0]} {name[1:]}")
    return text


def _composed(source: Source, text: str) -> str:
    """A text without what an export is known to read otherwise (and says so in its notes).

    llama.cpp composes no characters, and after a special token that swallows white space it swallows
    that of ASCII only.
    """
    normalizer = source.tokenizer.backend_tokenizer.normalizer
    if type(normalizer).__name__ == "NFC":
        text = unicodedata.normalize("NFC", text)
    added = source.tokenizer.added_tokens_decoder.values()
    stripping = [re.escape(str(token.content)) for token in added if token.rstrip]
    if not stripping:
        return text
    wide = re.compile(rf"(^|{'|'.join(stripping)})(?:\s|\x85)*[^\S\t-\r ](?:\s|\x85)*")
    return wide.sub(r"\1", text)


def _readings(
    source: Source, engine: Engine, text: str, in_prompts: bool, plain: Plain
) -> list[tuple[str, list[int], list[int]]]:
    """The same text read by both, in every way it can come: (text, folder's tokens, file's tokens)."""
    tokenizer, found = source.tokenizer, []
    if in_prompts:
        prompt = render(tokenizer, [("user", text)])
        found.append(
            (prompt, tokenizer(prompt, add_special_tokens=False)["input_ids"], engine.tokens(prompt, True))
        )
    if plain:
        whole = tokenizer(text, add_special_tokens=False)["input_ids"]
        found.append((text, whole, engine.tokens(text, True)))
        if plain == "split":
            split = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
            found.append((text, split, engine.tokens(text, False)))
    return found


def _vocabulary_difference(source: Source, engine: Engine) -> str:
    n_rows: int = source.config.vocab_size
    if engine.n_tokens != n_rows:
        return f"the file has {engine.n_tokens} tokens, the model's embedding {n_rows} rows"
    for i in range(min(len(source.tokenizer), n_rows)):
        expected = source.tokenizer.convert_ids_to_tokens(i)
        if expected is not None and engine.text_of(i) != expected:
            return f"token {i} is {engine.text_of(i)!r} in the file, {expected!r} in the folder"
    return ""


def _addition_difference(source: Source, engine: Engine) -> str:
    expected, found = added_around(source.tokenizer, str(source.folder)), engine.adds()
    for kind, wanted, is_so in zip(("bos", "eos"), expected, found, strict=True):
        if wanted != is_so:
            return f"{kind} is {'' if is_so else 'not '}put around a text by the file, by the folder it is"
    return ""


def _token_difference(source: Source, text: str, expected: list[int], found: list[int]) -> str:
    at = next((i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), None)
    at = min(len(expected), len(found)) if at is None else at
    names = source.tokenizer.convert_ids_to_tokens
    return (
        f"{text[-80:]!r} is cut otherwise from token {at} on: the file {found[at : at + 4]} "
        f"{names(found[at : at + 4])}, the folder {expected[at : at + 4]} {names(expected[at : at + 4])}"
    )


def check_stop(source: Source, engine: Engine) -> Finding:
    """Where an answer ends, and the other tokens with a meaning."""
    name, special, ends = engine.text_of, engine.special(), engine.ends()
    tokenizer = source.tokenizer
    for kind, wanted in (
        ("eos", tokenizer.eos_token_id),
        ("bos", tokenizer.bos_token_id),
        ("pad", tokenizer.pad_token_id),
    ):
        if wanted is not None and special[kind] != wanted:
            found = f"{special[kind]} {name(special[kind])!r}"
            return Finding(
                "stop", False, f"{kind} is {found} in the file, {wanted} {name(wanted)!r} in the folder"
            )
    missing = sorted(source.end_tokens - ends)
    if missing:
        return Finding(
            "stop",
            False,
            f"an answer ends at {missing[0]} {name(missing[0])!r} in the folder, not in the file",
        )
    beside = sorted(ends - source.end_tokens)
    for i in beside:
        if name(i) not in ENDS_BY_NAME | FILL_BY_NAME:
            return Finding("stop", False, f"an answer ends at {i} {name(i)!r} in the file, not in the folder")
    shown = ", ".join(name(i) for i in sorted(source.end_tokens))
    more = ", ".join(map(name, beside))
    also = f"; llama.cpp ends at {more} too, by their names" if more else ""
    return Finding("stop", True, f"an answer ends at {shown}{also}")
