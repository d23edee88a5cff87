"""How a server reads a prompt: what `bench models parity` holds against another engine.

In: a wire and a prompt. Out: the rendered text (llama-server), its tokens (llama-server, vLLM) and the
likeliest first tokens (all that list them); None for what a kind of server does not tell. The tokens that
end an answer are told by none. It asks for one token at most.
"""

from __future__ import annotations

from typing import Any

from bench.backends import StopTokens, TokenProbability
from bench.backends._server.address import root_of
from bench.backends._server.failure import ServerError
from bench.backends._server.first_token import MOST, neutral, probabilities, probabilities_by_text
from bench.backends._server.wire import Wire, parsed
from bench.backends.openai_api.body import Bodies
from bench.backends.openai_api.options import PATHS, Options
from bench.backends.openai_api.prepare import Preparer, applied_template, said, server_tokens
from bench.records import Prompt, Sampling


class OpenAiInspector:
    """Asks for one arm."""

    def __init__(self, model: str, options: Options, sampling: Sampling) -> None:
        self._model = model
        self._options = options
        self._preparer = Preparer(model, options)
        self._bodies = Bodies(model, options, neutral(sampling), None)

    async def rendered(self, wire: Wire, prompt: Prompt) -> str | None:
        """What llama-server makes of the conversation, or our own template for a plain completion."""
        if self._options.server == "plain":
            sent = (await self._preparer.prepared(wire, prompt)).sent
            return sent if isinstance(sent, str) else None
        if self._options.server == "vllm":
            return None
        try:
            text = await applied_template(wire, self._model, said(prompt))
            return None if text is None else text.removeprefix(await _bos_text(wire))
        except ServerError as failure:
            if failure.is_unknown_route:
                return None
            raise

    async def token_ids(self, wire: Wire, prompt: Prompt) -> tuple[int, ...] | None:
        """The conversation's tokens; None where a plain server keeps them to itself."""
        if self._options.server == "plain":
            return None
        try:
            return tuple(await server_tokens(wire, self._options, self._model, said(prompt)))
        except ServerError as failure:
            if failure.is_unknown_route:
                return None
            raise

    async def stop_tokens(self, wire: Wire) -> StopTokens | None:
        """Told by no such server."""
        return None

    async def first_logprobs(self, wire: Wire, prompt: Prompt, k: int) -> tuple[TokenProbability, ...] | None:
        """The alternatives to the first token; None where the server lists none."""
        prepared = await self._preparer.prepared(wire, prompt)
        body = self._bodies.body(prepared.sent, (0,), streamed=False, **self._asked_for(min(k, MOST)))
        try:
            found = parsed(await wire.post(wire.address + PATHS[self._options.endpoint], body))
        except ServerError as failure:
            if failure.kind == "refused":  # this server knows no such parameter
                return None
            raise
        return _first(found)

    def _asked_for(self, k: int) -> dict[str, Any]:
        more = {"return_tokens_as_token_ids": True} if self._options.server == "vllm" else {}
        if self._options.endpoint == "chat":
            return {"logprobs": True, "top_logprobs": k, **more}
        return {"logprobs": k if self._options.server != "plain" else min(k, 5), **more}


def _first(found: Any) -> tuple[TokenProbability, ...] | None:
    """The first token's alternatives in a reply of either interface."""
    try:
        logprobs = found["choices"][0]["logprobs"]
        if "content" in logprobs:
            return probabilities(logprobs["content"][0])
        return probabilities_by_text(logprobs["top_logprobs"][0])
    except (KeyError, IndexError, TypeError):
        return None


async def _bos_text(wire: Wire) -> str:
    """The text of the token that begins every text there; "" where the server tells none."""
    try:
        found = parsed(await wire.get(f"{root_of(wire.address)}/props"))
    except ServerError as failure:
        if failure.is_unknown_route:
            return ""
        raise
    text = found.get("bos_token") if isinstance(found, dict) else None
    return text if isinstance(text, str) else ""
