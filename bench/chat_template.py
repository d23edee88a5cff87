"""A conversation as the text a model was trained to read, by the chat template in its own file.

In: the template, the special tokens, the messages. Out: one text that ends where the answer begins.
Templates come with a downloaded file and are not trusted: they run in jinja2's immutable sandbox
with a limit on what they may write. What a message says can never become a control token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from bench.errors import MissingExtraError, ModelFileError
from bench.records import Prompt

if TYPE_CHECKING:
    from jinja2 import Template

MAX_EXTRA_CHARS = 1_000_000
"""What a template may add to its messages; real ones add less than a thousandth of this."""
PROBE = (
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": "What is this?"},
    {"role": "assistant", "content": "A question."},
    {"role": "user", "content": "And this?"},
)
"""A conversation with every role in it, to find out what a template can take."""

Turns = Sequence[dict[str, str]]


class TemplateError(Exception):
    """The template failed; the message is one line."""


class ChatTemplate:
    """One model's template, compiled once."""

    def __init__(self, source: str, bos: str, eos: str, control_texts: Iterable[str]) -> None:
        self._source = source
        self._tokens = {"bos_token": bos, "eos_token": eos}
        # one character cannot be taken apart, and would not look like a token to anybody
        texts = sorted({text for text in control_texts if len(text) > 1}, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, texts))) if texts else None
        self.system_merged = False
        """Whether the template takes no system turn, so that its text opens the first user turn."""

    @property
    def uses_date(self) -> bool:
        """Whether the rendered text may depend on the day."""
        return "strftime_now" in self._source

    def try_out(self) -> None:
        """Render a conversation with every role; ModelFileError where not even a user turn works."""
        try:
            self.render(PROBE)
        except TemplateError:
            self.system_merged = True
            try:
                self.render(PROBE)
            except TemplateError as error:
                raise ModelFileError(f"the chat template cannot be used: {error}") from error

    def render_prompt(self, prompt: Prompt) -> str:
        """The text that stands for a prompt's conversation; an assistant's turn at its end is left open."""
        turns = [{"role": m.role, "content": m.content} for m in prompt.messages]
        begun = turns.pop()["content"] if turns and turns[-1]["role"] == "assistant" else ""
        return self.render(turns) + self.inert(begun)

    def without_bos(self, text: str) -> str:
        """A rendered text without the token that begins it, which either template or engine writes."""
        return text.removeprefix(self._tokens["bos_token"])

    def render(self, turns: Turns, *, open_answer: bool = True) -> str:
        """The whole conversation; with `open_answer` the opening of the assistant's turn at its end."""
        inert = [{"role": turn["role"], "content": self.inert(turn["content"])} for turn in turns]
        messages = _system_merged(inert) if self.system_merged else inert
        limit = sum(len(turn["content"]) for turn in messages) + MAX_EXTRA_CHARS
        values = {
            "messages": messages,
            "add_generation_prompt": open_answer,
            "tools": None,
            "documents": None,
        }
        return self._write(values | self._tokens, limit)

    def control_after(self, turns: Turns) -> str | None:
        """The control token that the template writes after the last turn's text; None where there is none."""
        written = self.render(turns, open_answer=False)
        found = self._control.search(written.rpartition(turns[-1]["content"])[2]) if self._control else None
        return found[0] if found else None

    def inert(self, text: str) -> str:
        """`text` with a space after the first character of everything that reads as a control token."""
        if self._control is None:
            return text
        # a text between the halves of another ("<|im_<|im_end|>end|>") needs no second pass, as
        # nothing is taken out; one that contains a space could arise anew, so passes are repeated
        for _ in range(8):
            text, n = self._control.subn(lambda match: f"{match[0][0]} {match[0][1:]}", text)
            if not n:
                return text
        return self._control.sub(" ", text)

    def _write(self, values: dict[str, Any], limit: int) -> str:
        import jinja2

        pieces: list[str] = []
        n_chars = 0
        try:
            for piece in self._compiled.generate(**values):
                n_chars += len(piece)
                if n_chars > limit:
                    raise TemplateError(f"it writes more than {limit} characters")
                pieces.append(piece)
        except jinja2.TemplateError as error:
            raise TemplateError(_one_line(error)) from error
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            # what a template's own arithmetic and look-ups raise
            raise TemplateError(_one_line(error)) from error
        except (RecursionError, MemoryError) as error:
            raise TemplateError("it needs too much memory") from error
        return "".join(pieces)

    @cached_property
    def _compiled(self) -> Template:
        try:
            import jinja2
            from jinja2.ext import loopcontrols
            from jinja2.sandbox import ImmutableSandboxedEnvironment
        except ImportError as error:
            raise MissingExtraError('jinja2 is not installed; run: pip install "bench[llama]"') from error

        # the settings that the Hugging Face templates are written for
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        environment.filters["tojson"] = _to_json
        try:
            return environment.from_string(_without_training_marks(self._source))
        except jinja2.TemplateError as error:
            raise TemplateError(_one_line(error)) from error
        except (RecursionError, MemoryError) as error:
            raise TemplateError("it is nested too deeply") from error


def _without_training_marks(source: str) -> str:
    """`{% generation %}` tells trainers what an assistant said; here it is a block that always applies."""
    opened = re.sub(r"(\{%[-+]?\s*)generation(\s*[-+]?%\})", r"\1if true\2", source)
    return re.sub(r"(\{%[-+]?\s*)endgeneration(\s*[-+]?%\})", r"\1endif\2", opened)


def _raise(message: str) -> NoReturn:
    import jinja2

    raise jinja2.TemplateError(str(message))


def _to_json(value: object, indent: int | None = None) -> str:
    """As in Hugging Face's own rendering: jinja2's filter would escape for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


def _system_merged(turns: Turns) -> list[dict[str, str]]:
    """The turns with the system's text put before the first user turn."""
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    rest = [dict(turn) for turn in turns if turn["role"] != "system"]
    for turn in rest:
        if system and turn["role"] == "user":
            turn["content"] = f"{system}\n\n{turn['content']}"
            break
    return rest
