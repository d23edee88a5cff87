"""A model's tokens: conversation to tokens, tokens to text, and which tokens end an answer.

In: a tokenizer that transformers loaded. Out: token ids and text. Templates run in our own sandbox, the
same as for every other backend in this process, and what a message says cannot become a control token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.backends._answer_text import AnswerText
from bench.chat_template import PROBE, ChatTemplate, TemplateError
from bench.errors import ModelFileError
from bench.records import Prompt

_UNFINISHED = "\ufffd"
_LONGEST_CHARACTER_TOKENS = 8
"""A character has at most four bytes; what is unfinished after so many tokens will stay so."""


class Tokens:
    """One tokenizer with its template."""

    def __init__(self, tokenizer: Any, shown: str, before: tuple[int, ...] = ()) -> None:
        self._tokenizer = tokenizer
        self._before = before
        source = tokenizer.chat_template
        if isinstance(source, dict):  # several templates by name
            source = source.get("default")
        if not source:
            raise ModelFileError(
                f"{shown}: its tokenizer has no chat template; save one with it (chat_template.jinja)"
            )
        special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
        texts = {*special, *map(str, tokenizer.all_special_tokens)}
        self._special = {
            int(token) for token, added in tokenizer.added_tokens_decoder.items() if added.special
        } | set(tokenizer.all_special_ids)
        self.source: str = source
        """The template's own text."""
        self.template = ChatTemplate(
            source, str(tokenizer.bos_token or ""), str(tokenizer.eos_token or ""), texts
        )
        try:
            self.template.try_out()
        except ModelFileError as error:
            raise ModelFileError(f"{shown}: {error}") from error

    def of_prompt(self, prompt: Prompt) -> tuple[int, ...]:
        """The tokens of a conversation; the template writes what begins a text, nothing is added to it.

        What a prompt-learning adapter has learned stands before it. TemplateError where the template fails.
        """
        tokens = self._ids(self.template.render_prompt(prompt))
        if not tokens:
            raise TemplateError("it writes nothing")
        return self._before + tokens

    def of_answer(self, text: str) -> tuple[int, ...]:
        """The tokens of a text that continues a prompt; names of control tokens are text in it."""
        return self._ids(text, split_special_tokens=True)

    def end_of_turn(self) -> int | None:
        """The control token that the template writes after an assistant's turn; None where there is none.

        A model ends its answers with what its training text had there, whatever its config calls the end.
        """
        whole = self.template.render(PROBE)
        _, said, rest = whole.partition(PROBE[2]["content"])
        opening = self.template.without_bos(self.template.render(PROBE[3:])).partition(PROBE[3]["content"])[0]
        if not said or (opening and rest.startswith(opening)):
            return None  # the next turn begins without this one having been ended
        ids = self._ids(rest.lstrip())
        return ids[0] if ids and ids[0] in self._special else None

    def _ids(self, text: str, **more: Any) -> tuple[int, ...]:
        # a lone surrogate cannot be tokenized; it is shown as what it is
        clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
        return tuple(self._tokenizer(clean, add_special_tokens=False, **more)["input_ids"])

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens; control tokens are shown by name, not hidden."""
        decoded: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return decoded

    def text_after(self, before: int, token: int) -> str:
        """What a token adds to a text; some tokenizers write its space only where something precedes it."""
        return self.text([before, token])[len(self.text([before])) :]

    def name(self, token: int) -> str:
        """A token's own text, as somebody would look for it."""
        return self.text([token])


def end_tokens(tokenizer: Any, config: Any, generation_config: Any) -> frozenset[int]:
    """The tokens that end an answer: those of the generation config, the config and the tokenizer."""
    found: set[int] = set()
    for value in (
        getattr(generation_config, "eos_token_id", None),
        getattr(config, "eos_token_id", None),
        tokenizer.eos_token_id,
    ):
        if value is not None:
            found |= set(value) if isinstance(value, (list, tuple)) else {int(value)}
    return frozenset(found)


class GrowingText:
    """The text of one answer while it grows, in whole characters."""

    def __init__(self, tokens: Tokens, answer: AnswerText) -> None:
        self._tokens = tokens
        self._answer = answer
        self._settled: list[int] = []
        """The last tokens whose text was taken over: some tokenizers write a token by what precedes it."""
        self._open: list[int] = []

    @property
    def stopped(self) -> bool:
        """Whether a stop text has come, or the object was whole."""
        return self._answer.stopped

    def add(self, token: int) -> None:
        """Append one token."""
        self._open.append(token)
        before = self._tokens.text(self._settled)
        whole = self._tokens.text([*self._settled, *self._open])
        is_unfinished = whole.endswith(_UNFINISHED) and len(self._open) < _LONGEST_CHARACTER_TOKENS
        if not is_unfinished and whole.startswith(before):
            self._take(whole[len(before) :])

    def _take(self, text: str) -> None:
        self._answer.add(text.encode("utf-8"))
        self._settled, self._open = self._open, []

    def news(self) -> str:
        """What can be shown that was not shown yet."""
        return self._answer.news()

    def finish(self) -> None:
        """Take over what was still unfinished, once nothing more comes."""
        if self._open and not self.stopped:
            before = self._tokens.text(self._settled)
            self._take(self._tokens.text([*self._settled, *self._open])[len(before) :])

    def rest(self) -> str:
        """What was still held back, once it is finished."""
        return self._answer.rest()

    def text(self) -> str:
        """The whole answer."""
        return self._answer.text()
