"""A GGUF as a model in Ollama, with its own chat format, and the check that Ollama renders it alike.

    bench models create NAME FILE.gguf [--host HOST] [--print]

In: a file and a name. Out: a model at the server. Its prompt is rendered there and here and compared, because
a template that is wrong by one line break makes another model. It quantizes nothing: q5 is made by training.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.backends._server.failure import ServerError
from bench.backends._server.wire import Limits, Wire
from bench.backends.llama_cpp import gguf_check
from bench.backends.ollama.chat import explain
from bench.backends.ollama.inspection import rendered_by
from bench.backends.ollama.library import Library
from bench.backends.ollama.modelfile import chat_format, modelfile
from bench.backends.ollama.options import key
from bench.chat_template import PROBE, ChatTemplate
from bench.errors import BackendError, ModelFileError

_LIMITS = Limits(connect_s=10, total_s=600, max_bytes=1 << 22)
_SHOWN_CHARS = 40


class Recipe(NamedTuple):
    """What a model is made of."""

    gguf: Path
    template: str
    """In Go's template language."""
    expected: str
    """The text of the probe conversation."""

    @property
    def modelfile(self) -> str:
        """The same as a Modelfile."""
        return modelfile(str(self.gguf), self.template, {})


def recipe(gguf: Path) -> Recipe:
    """How to make a model of a file; ModelFileError where it cannot be one."""
    summary = gguf_check.inspect(gguf)
    if not summary.chat_template:
        raise ModelFileError(
            f"{gguf}: it has no chat template, so there is no telling what a turn looks like"
        )
    # Ollama puts the text's first token before it by itself, as the engine does
    template = ChatTemplate(summary.chat_template, "", _end_text(gguf), ())
    template.try_out()
    found = chat_format(template, str(gguf))
    return Recipe(gguf, found.go_template(), found.render(PROBE))


def create(name: str, made: Recipe, address: str, told: Callable[[str], None]) -> None:
    """Make the model and check its prompt; BackendError or ModelFileError in one line."""
    Library(address).create(name, made.gguf, made.template, {}, told)
    rendered = rendered_prompt(address, name, PROBE)
    if rendered is None:
        told("this server does not show what it renders; its prompts were not checked")
    elif rendered != made.expected:
        raise ModelFileError(
            f"{name} was made, but its prompts are not the file's: {_difference(rendered, made.expected)}"
        )
    else:
        told("its prompts are rendered as the file's own template does")


def rendered_prompt(address: str, name: str, turns: tuple[dict[str, str], ...]) -> str | None:
    """The text that the server makes of a conversation; None where it does not show it."""
    try:
        return asyncio.run(_rendered(address, name, turns))
    except ServerError as failure:
        raise BackendError(f"{address} did not render a prompt of {name}: {failure}") from failure


async def _rendered(address: str, name: str, turns: tuple[dict[str, str], ...]) -> str | None:
    wire = Wire(address, key(), _LIMITS, explain)
    # one token to predict: a server that does not know the switch answers at once
    asked = {"model": name, "messages": list(turns), "stream": False, "options": {"num_predict": 1}}
    try:
        return await rendered_by(wire, asked)
    finally:
        await wire.aclose()


def _end_text(gguf: Path) -> str:
    """The text of the token that ends an answer, which templates may write."""
    from bench.backends.llama_cpp.native import library, load_model
    from bench.backends.llama_cpp.vocabulary import Vocabulary

    model = load_model(gguf, str(gguf), vocabulary_only=True)
    try:
        vocabulary = Vocabulary(model)
        return vocabulary.text_of(vocabulary.eos)
    finally:
        library().llama_model_free(model)


def _difference(found: str, expected: str) -> str:
    place = next(
        (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
        min(len(found), len(expected)),
    )
    seen, meant = found[place:][:_SHOWN_CHARS], expected[place:][:_SHOWN_CHARS]
    return f"at character {place} it writes {seen!r} instead of {meant!r}"
