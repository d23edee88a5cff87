"""OpenAI's batches: a file of requests, worked off within a day at a lower price.

In: bodies by the ids of their calls. Out: completions and failures by the same ids. A batch carries a key
in its metadata, so that one that was made before a kill is found again and not made twice. Nothing is
tried twice here.

- https://platform.openai.com/docs/api-reference/batch
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.backends._server.failure import ServerError
from bench.backends._server.wire import Limits, Wire, parsed
from bench.backends.openai_api.body import Bodies
from bench.backends.openai_api.options import checked, checked_addresses, key
from bench.backends.openai_api.reply import explain, whole_reply
from bench.errors import UsageError
from bench.records import AnswerSchema, Completion, ModelSpec, Prompt, Sampling

_PATH = "/v1/chat/completions"
_METADATA = "bench_key"
_LARGEST_FILE = 512 * 2**20
_ENDED = {"completed", "failed", "expired", "cancelled"}


class Failed(NamedTuple):
    """A call of a batch that came to nothing."""

    reason: str
    status: int | None


Result = Completion | Failed


class Batches:
    """The batches of one arm, at the first of its servers. Made and used inside one event loop."""

    def __init__(self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema) -> None:
        options = checked(spec, sampling)
        if options.endpoint != "chat":
            raise UsageError(f"arm {spec.arm}: batches are of chat requests; use `endpoint: chat`")
        limits = Limits(options.connect_s, options.timeout_s, _LARGEST_FILE)
        self._wire = Wire(checked_addresses(spec, options)[0], key(spec, options), limits, explain)
        self._bodies = Bodies(spec.ref, options, sampling, schema if spec.output == "json_schema" else None)

    def line(self, call: str, prompt: Prompt, seed: int) -> str:
        """One request of a batch's file."""
        body = self._bodies.body(prompt.messages, (seed,), streamed=False)
        asked = {"custom_id": call, "method": "POST", "url": _PATH, "body": body}
        return json.dumps(asked, ensure_ascii=False)

    async def made(self, key: str) -> str | None:
        """The id of the batch with this key, None where there is none among the last hundred."""
        listed = _object(parsed(await self._wire.get(f"{self._wire.address}/batches?limit=100")))
        for one in listed.get("data") or ():
            if isinstance(one, dict) and (one.get("metadata") or {}).get(_METADATA) == key:
                return _text(one, "id")
        return None

    async def make(self, key: str, lines: list[str]) -> str:
        """Upload the requests and begin the batch; its id."""
        content = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
        address = self._wire.address
        file = parsed(
            await self._wire.upload(f"{address}/files", f"{key}.jsonl", content, {"purpose": "batch"})
        )
        body = {
            "input_file_id": _text(_object(file), "id"),
            "endpoint": _PATH,
            "completion_window": "24h",
            "metadata": {_METADATA: key},
        }
        return _text(_object(parsed(await self._wire.post(f"{address}/batches", body))), "id")

    async def results(self, batch: str) -> dict[str, Result] | None:
        """What became of every call that the batch tells of; None while it is under way."""
        address = self._wire.address
        found = _object(parsed(await self._wire.get(f"{address}/batches/{batch}")))
        if _text(found, "status") not in _ENDED:
            return None
        results: dict[str, Result] = {}
        for name in ("output_file_id", "error_file_id"):
            if found.get(name):
                content = await self._wire.get(f"{address}/files/{_text(found, name)}/content")
                results |= self._read(content)
        return results

    def masked(self, text: str) -> str:
        """`text` without the key."""
        return self._wire.masked(text)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._wire.aclose()

    def _read(self, content: bytes) -> dict[str, Result]:
        found: dict[str, Result] = {}
        for line in content.split(b"\n"):
            if line.strip():
                told = _object(parsed(line))
                found[_text(told, "custom_id")] = self._result(told)
        return found

    def _result(self, told: Mapping[str, Any]) -> Result:
        """One line of a batch's output."""
        response = told.get("response")
        status = response.get("status_code") if isinstance(response, dict) else None
        if not isinstance(response, dict) or status != 200:
            said = told.get("error") or (response or {}).get("body")
            return Failed(self.masked(json.dumps(said)[:200]), status if isinstance(status, int) else None)
        try:
            reply = whole_reply(json.dumps(response.get("body")).encode(), 1)
        except ServerError as failure:
            return Failed(self.masked(str(failure)), 200)
        choice, counts = reply.choices[0], reply.counts
        return Completion(
            text=self.masked(choice.text),
            stop_reason=choice.stop_reason,
            prompt_tokens=counts.prompt_tokens,
            cached_tokens=counts.cached_tokens,
            completion_tokens=counts.completion_tokens,
        )


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ServerError("garbled", "its reply about a batch is no JSON object")
    return value


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise ServerError("garbled", f"its reply about a batch has no {name}")
    return found
