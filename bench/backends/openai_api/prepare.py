"""How many tokens a prompt has, and its text where the interface takes text: asked before any answer is.

In: a prompt. Out: what is sent for it, and its tokens where the server can count. llama-server renders and
counts at `/apply-template` and `/tokenize`, vLLM at `/tokenize`; a plain server counts in its answers only.
Each prompt is asked about once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from bench.backends._server.address import root_of
from bench.backends._server.failure import ServerError
from bench.backends._server.wire import Wire, parsed
from bench.backends.openai_api.options import Options
from bench.chat_template import ChatTemplate, TemplateError
from bench.errors import ModelFileError
from bench.records import Message, Prompt

Sent = tuple[Message, ...] | str | list[int]


class Prepared(NamedTuple):
    """A prompt as it is sent."""

    sent: Sent
    prompt_tokens: int | None
    """None where the server has not counted them yet."""


class Preparer:
    """Prepares the prompts of one arm."""

    def __init__(self, model: str, options: Options) -> None:
        self._model = model
        self._options = options
        self._known: dict[str, Prepared] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._template = None if options.chat_template is None else _template(options.chat_template)

    async def prepared(self, wire: Wire, prompt: Prompt) -> Prepared:
        """The prompt as it is sent; asks the server the first time."""
        if prompt.id not in self._known:
            async with self._locks[prompt.id]:
                if prompt.id not in self._known:
                    self._known[prompt.id] = await self._ask(wire, prompt)
        return self._known[prompt.id]

    def learn(self, prompt: Prompt, prompt_tokens: int) -> None:
        """What an answer told about its prompt."""
        self._known[prompt.id] = self._known[prompt.id]._replace(prompt_tokens=prompt_tokens)

    async def _ask(self, wire: Wire, prompt: Prompt) -> Prepared:
        if self._options.server == "plain":
            return Prepared(self._rendered(prompt), None)
        messages = said(prompt)
        try:
            tokens = await server_tokens(wire, self._options, self._model, messages)
        except ServerError as failure:
            if failure.is_unknown_route and self._options.endpoint == "chat":
                return Prepared(prompt.messages, None)  # an older server: its answers tell
            raise
        return Prepared(tokens if self._options.endpoint == "completions" else prompt.messages, len(tokens))

    def _rendered(self, prompt: Prompt) -> Sent:
        if self._template is None:
            return prompt.messages
        try:
            return self._template.render_prompt(prompt)
        except TemplateError as error:
            raise ServerError("refused", f"the chat template failed: {error}") from error


async def server_tokens(
    wire: Wire, options: Options, model: str, messages: list[dict[str, str]]
) -> list[int]:
    """The tokens of a conversation, as llama-server or vLLM count them."""
    if options.server == "vllm":
        return await _vllm_tokens(wire, model, messages)
    body: dict[str, Any] = {"content": await applied_template(wire, model, messages)}
    body |= {"model": model, "add_special": True, "parse_special": True}
    return _tokens(parsed(await wire.post(f"{root_of(wire.address)}/tokenize", body)))


async def applied_template(wire: Wire, model: str, messages: list[dict[str, str]]) -> str | None:
    """The text that llama-server makes of a conversation; None where its reply has none."""
    body = {"model": model, "messages": messages}
    rendered = parsed(await wire.post(f"{root_of(wire.address)}/apply-template", body))
    text = rendered.get("prompt") if isinstance(rendered, dict) else None
    return text if isinstance(text, str) else None


async def _vllm_tokens(wire: Wire, model: str, messages: list[dict[str, str]]) -> list[int]:
    body = {"model": model, "messages": messages, "add_generation_prompt": True}
    return _tokens(parsed(await wire.post(f"{root_of(wire.address)}/tokenize", body)))


def said(prompt: Prompt) -> list[dict[str, str]]:
    """A prompt's messages as they are sent."""
    return [{"role": m.role, "content": m.content} for m in prompt.messages]


def _tokens(found: Any) -> list[int]:
    tokens = found.get("tokens") if isinstance(found, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
        raise ServerError("garbled", "it was asked for the tokens of a prompt and gave none")
    return tokens


def _template(path: str) -> ChatTemplate:
    try:
        template = ChatTemplate(Path(path).read_text(encoding="utf-8"), "", "", ())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"chat_template {path}: cannot be read: {error}") from error
    template.try_out()
    return template
