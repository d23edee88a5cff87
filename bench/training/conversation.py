"""A task's example as the tokens a model learns from: the prompt as an arm will read it, then the answer.

In: a tokenizer with its chat template, turns, an answer. Out: token ids, and where the answer begins. The
prompt goes through the same sandboxed template as in every backend and is tokenized as the backend `hf`
does it, so that training and measuring agree in every token. What the answer ends with is the token that
ends an assistant's turn in that template. It loads no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from bench.chat_template import ChatTemplate, TemplateError
from bench.errors import ModelFileError
from bench.training.methods import Turn

_PROBE = "A question."


class Tokens(NamedTuple):
    """One sequence."""

    ids: tuple[int, ...]
    n_prompt: int
    """Leading tokens that bear no loss; 0 for raw text."""


class Conversations:
    """One tokenizer's way to write conversations."""

    def __init__(self, tokenizer: Any, shown: str) -> None:
        source = tokenizer.chat_template
        if isinstance(source, dict):  # several templates by name
            source = source.get("default")
        if not source:
            raise ModelFileError(f"{shown}: its tokenizer has no chat template; set base.chat_template")
        special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
        texts = {*special, *map(str, tokenizer.all_special_tokens)}
        eos = str(tokenizer.eos_token or "")
        self._tokenizer = tokenizer
        self._template = ChatTemplate(source, str(tokenizer.bos_token or ""), eos, texts)
        try:
            self._template.try_out()
        except ModelFileError as error:
            raise ModelFileError(f"{shown}: {error}") from error
        ended = self._end_of_turn() or eos
        if not ended:
            raise ModelFileError(
                f"{shown}: nothing ends an answer: its template writes no special token after one, and its "
                "tokenizer has no eos_token; set one of them"
            )
        self.end_of_turn: int = tokenizer.convert_tokens_to_ids(ended)
        """The token that ends an answer: the last one that is learnt."""

    def _end_of_turn(self) -> str | None:
        turns = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": _PROBE}]
        return self._template.control_after(turns)

    def example(self, turns: Sequence[Turn], answer: str) -> Tokens:
        """Prompt and answer; ModelFileError where the template fails on this one."""
        said = [turn._asdict() for turn in turns]
        inert = self._template.inert(answer)
        try:
            prompt = self._template.render(said)
            whole = self._template.render(
                [*said, {"role": "assistant", "content": answer}], open_answer=False
            )
        except TemplateError as error:
            raise ModelFileError(f"the chat template failed on an example: {error}") from error
        # some templates write a space before the answer, and some (those that think) much else
        lead = whole[len(prompt) :].partition(inert)[0] if whole.startswith(prompt) else ""
        lead = lead if lead.isspace() else ""
        prompt_ids, ids = self._ids(prompt), self._ids(prompt + lead + inert)
        if ids[: len(prompt_ids)] != prompt_ids:  # tokens that would merge across the boundary
            ids = prompt_ids + self._ids(lead + inert)
        return Tokens((*ids, self.end_of_turn), len(prompt_ids))

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(_clean(text), add_special_tokens=False)["input_ids"])


def document(tokenizer: Any, text: str, max_tokens: int, *, ends: bool) -> Tokens:
    """The beginning of a raw text, each token learnt; with `ends` the end of a whole text too.

    Names of control tokens are text in it.
    """
    ids = list(tokenizer(_clean(text), split_special_tokens=True)["input_ids"])
    if ends and tokenizer.eos_token_id is not None:
        ids.append(tokenizer.eos_token_id)
    return Tokens(tuple(ids[:max_tokens]), 0)


def _clean(text: str) -> str:
    """A lone surrogate cannot be tokenized; it is shown as what it is."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
