"""How Ollama reads a prompt: what `bench models parity` holds against another engine.

In: a wire and a prompt. Out: what Ollama tells: the rendered text (`_debug_render_only`), its tokens, the
tokens its model names as ends, and the likeliest first tokens; None for what this version does not tell.
Tokens are told by `/api/generate` alone, in `context`, which holds a text and the one token answered to it,
without a token that the engine puts before them; how many were read says whether it did.
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

from bench.backends import StopTokens, TokenProbability
from bench.backends._server.failure import ServerError
from bench.backends._server.first_token import MOST, probabilities
from bench.backends._server.wire import Limits, Wire, parsed
from bench.backends.ollama.chat import Bodies, explain
from bench.backends.ollama.options import key
from bench.records import Prompt

_LIMITS = Limits(connect_s=10, total_s=600, max_bytes=1 << 27)
"""A vocabulary is told in one reply."""
_ENDS = ("eos_token_id", "eot_token_id", "eom_token_id", "eos_token_ids")


class ToldVocabulary(NamedTuple):
    """What the model's own file says about its tokens."""

    texts: tuple[str, ...]
    """By id; empty where the server tells none."""
    bos: int | None
    ends: tuple[int, ...]


class OllamaInspector:
    """Asks for one arm. `bodies` are neutral, for one token."""

    def __init__(self, model: str, bodies: Bodies, own_stops: Sequence[str]) -> None:
        self._model = model
        self._bodies = bodies
        self._own_stops = own_stops
        self._vocabularies: dict[str, ToldVocabulary] = {}
        self._answers: dict[str, dict[str, Any]] = {}

    async def rendered(self, wire: Wire, prompt: Prompt) -> str | None:
        """The text that Ollama makes of the conversation."""
        text = await self._whole_text(wire, prompt)
        vocabulary = await self._vocabulary(wire)
        if text is None or vocabulary.bos is None or vocabulary.bos >= len(vocabulary.texts):
            return text
        return text.removeprefix(vocabulary.texts[vocabulary.bos])

    async def token_ids(self, wire: Wire, prompt: Prompt) -> tuple[int, ...] | None:
        """That text's tokens; None where they cannot be told for certain."""
        text = await self._whole_text(wire, prompt)
        if text is None:
            return None
        chat = self._bodies.body(prompt.messages, 0, streamed=False)
        body = {k: v for k, v in chat.items() if k not in {"messages", "format"}}
        body |= {"prompt": text, "template": "{{ .Prompt }}"}
        found = _object(parsed(await wire.post(f"{wire.address}/api/generate", body)))
        context, n_read = found.get("context"), (await self._answer(wire, prompt)).get("prompt_eval_count")
        if not _is_count(n_read) or not isinstance(context, list) or not all(map(_is_count, context)):
            return None
        n_answered = 1 if found.get("response") or found.get("thinking") else 0
        tokens = tuple(context[: len(context) - n_answered])
        if n_read == len(tokens):
            return tokens
        bos = (await self._vocabulary(wire)).bos
        return (bos, *tokens) if bos is not None and n_read == len(tokens) + 1 else None

    async def stop_tokens(self, wire: Wire) -> StopTokens | None:
        """The tokens that the model's file or its Modelfile names as ends; the engine may know others."""
        vocabulary = await self._vocabulary(wire)
        if not vocabulary.texts:
            return None
        ids = {text: token for token, text in enumerate(vocabulary.texts)}
        ends = {*vocabulary.ends, *(ids[stop] for stop in self._own_stops if stop in ids)}
        n = len(vocabulary.texts)
        texts = {token: vocabulary.texts[token] for token in sorted(ends) if token < n}
        return StopTokens(texts, is_whole=False)

    async def first_logprobs(self, wire: Wire, prompt: Prompt, k: int) -> tuple[TokenProbability, ...] | None:
        """The alternatives to the first token; None before Ollama 0.12.11, which told none."""
        listed = (await self._answer(wire, prompt)).get("logprobs")
        found = probabilities(listed[0]) if isinstance(listed, list) and listed else None
        return None if found is None else found[:k]

    async def _whole_text(self, wire: Wire, prompt: Prompt) -> str | None:
        return await rendered_by(wire, self._bodies.body(prompt.messages, 0, streamed=False))

    async def _answer(self, wire: Wire, prompt: Prompt) -> dict[str, Any]:
        """One token of an answer, with its alternatives; asked for once."""
        if prompt.id not in self._answers:
            body = self._bodies.body(prompt.messages, 0, streamed=False)
            body |= {"logprobs": True, "top_logprobs": MOST}
            found = parsed(await wire.post(f"{wire.address}/api/chat", body))
            self._answers[prompt.id] = _object(found)
        return self._answers[prompt.id]

    async def _vocabulary(self, wire: Wire) -> ToldVocabulary:
        if wire.address not in self._vocabularies:
            roomy = Wire(wire.address, key(), _LIMITS, explain)
            body = {"model": self._model, "verbose": True}
            try:
                found = _object(parsed(await roomy.post(f"{wire.address}/api/show", body)))
            finally:
                await roomy.aclose()
            self._vocabularies[wire.address] = told_vocabulary(found.get("model_info"))
        return self._vocabularies[wire.address]


async def rendered_by(wire: Wire, asked: dict[str, Any]) -> str | None:
    """The text that the server makes of the conversation it is asked; None where it does not show it."""
    found = parsed(await wire.post(f"{wire.address}/api/chat", {**asked, "_debug_render_only": True}))
    shown = found.get("_debug_info") if isinstance(found, dict) else None
    text = shown.get("rendered_template") if isinstance(shown, dict) else None
    return text if isinstance(text, str) else None


def told_vocabulary(info: Any) -> ToldVocabulary:
    """The vocabulary in a model's metadata; empty where it is not told or is none."""
    told = info if isinstance(info, dict) else {}
    bos = told.get("tokenizer.ggml.bos_token_id")
    ends: list[int] = []
    for name in _ENDS:
        value = told.get(f"tokenizer.ggml.{name}")
        ends += [one for one in (value if isinstance(value, list) else [value]) if _is_count(one)]
    tokens = told.get("tokenizer.ggml.tokens")
    are_texts = isinstance(tokens, list) and all(isinstance(text, str) for text in tokens)
    texts = tuple(tokens) if isinstance(tokens, list) and are_texts else ()
    return ToldVocabulary(texts, bos if _is_count(bos) else None, tuple(ends))


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ServerError("garbled", "its reply is no JSON object")
    return found
