"""What a server says about itself before it is asked anything that counts, and whether it will do.

In: the endpoints of an arm. Out: facts for the manifest; a BenchError where a server cannot do what the run
asks for. Every server that answers is asked for one token, so that a parameter it does not take, a key it
refuses or a model it lacks is found here and not in the first hundred samples.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from bench.backends._server.address import root_of
from bench.backends._server.failure import ServerError
from bench.backends._server.flow import Endpoint
from bench.backends._server.patience import Patience
from bench.backends._server.prompt_size import Yardstick, reference_prompts
from bench.backends._server.wire import Wire, parsed
from bench.backends.openai_api.options import Options
from bench.backends.openai_api.speaker import OpenAiSpeaker
from bench.errors import BackendError, ModelFileError, UsageError
from bench.records import ModelSpec, Sampling

START_WITH = {
    "llama_server": "llama-server -m MODEL.gguf -c 8192 --port 8080",
    "vllm": "vllm serve MODEL --port 8000",
    "plain": "your server",
}
"""What starts a server of each kind."""
_IDENTITY = ("n_params", "size", "n_vocab", "ftype", "chat_template_digest", "root")


async def greet(
    endpoints: list[Endpoint],
    spec: ModelSpec,
    options: Options,
    sampling: Sampling,
    speaker: OpenAiSpeaker,
    patience: Patience,
) -> list[dict[str, Any]]:
    """Facts about every server that answers; the others are set aside. BackendError if none does."""
    asked = (_greeted(endpoint, spec, options, speaker, patience) for endpoint in endpoints)
    found = await asyncio.gather(*asked)
    facts = [one for one in found if one is not None]
    if not facts:
        reasons = "; ".join(f"{e.wire.address}: {e.set_aside}" for e in endpoints)
        raise BackendError(
            f"arm {spec.arm}: no server answers ({reasons}); start it, e.g. `{START_WITH[options.server]}`, "
            "or correct base_url, and run the same command again"
        )
    for one in facts:
        _refuse_small_context(spec, one, sampling)
    _refuse_different_models(spec, facts)
    return facts


async def _greeted(
    endpoint: Endpoint, spec: ModelSpec, options: Options, speaker: OpenAiSpeaker, patience: Patience
) -> dict[str, Any] | None:
    """One server's facts, None where it cannot be reached."""
    wire = endpoint.wire
    try:
        facts = {"address": wire.address, **await _models(wire, spec)}
        if options.server == "llama_server":
            facts |= await _props(wire)
        if options.server == "vllm":
            facts |= await _version(wire)
        speaker.yardstick = await patience.attempt(lambda: _warm_up(wire, speaker)) or speaker.yardstick
    except ServerError as failure:
        reason = wire.masked(str(failure))
        if failure.may_pass:
            endpoint.set_aside = reason
            return None
        if failure.status in {401, 403}:
            named = (
                f"the key in {options.api_key_env}"
                if options.api_key_env
                else "a key; name it in api_key_env"
            )
            raise BackendError(f"arm {spec.arm}: {wire.address} wants {named}: {reason}") from failure
        hint = (
            "; does the address end in /v1?"
            if failure.status == 404 and root_of(wire.address) == wire.address
            else ""
        )
        raise BackendError(f"arm {spec.arm}: {wire.address} will not answer: {reason}{hint}") from failure
    return facts


async def reached(wire: Wire) -> str:
    """What a server says it serves, for `bench doctor`; raises ServerError."""
    listed = await _listed(wire)
    return "answers" if listed is None else "serves " + ", ".join(sorted(listed)[:5])


async def _models(wire: Wire, spec: ModelSpec) -> dict[str, Any]:
    """What the server tells about the arm's model; ModelFileError where it serves others."""
    listed = await _listed(wire)
    if not listed:
        return {}
    if spec.ref not in listed and len(listed) > 1:
        raise ModelFileError(_not_served(spec, wire, listed))
    found = listed.get(spec.ref) or next(iter(listed.values()))
    if spec.ref not in listed and not _answers_to_any_name(found):
        raise ModelFileError(_not_served(spec, wire, listed))
    meta = found.get("meta")
    names = ("n_params", "size", "n_vocab", "ftype", "n_ctx", "n_ctx_train")
    facts = {name: meta[name] for name in names if isinstance(meta, dict) and name in meta}
    facts |= {name: found[name] for name in ("root", "max_model_len") if found.get(name) is not None}
    return {"served_as": found.get("id"), **facts}


def _answers_to_any_name(model: dict[str, Any]) -> bool:
    """Whether this is llama.cpp's server with its one model, which looks at no name."""
    return model.get("owned_by") == "llamacpp"


def _not_served(spec: ModelSpec, wire: Wire, listed: dict[str, Any]) -> str:
    names = ", ".join(sorted(listed)[:5])
    return f"arm {spec.arm}: {wire.address} serves no {spec.ref!r} but {names}; name one as `ref`"


async def _listed(wire: Wire) -> dict[str, dict[str, Any]] | None:
    """The server's models by name; None where it does not tell."""
    try:
        found = parsed(await wire.get(f"{wire.address}/models"))
    except ServerError as failure:
        if failure.is_unknown_route:
            return None
        raise
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, list):
        return None
    return {str(one["id"]): one for one in data if isinstance(one, dict) and "id" in one}


async def _props(wire: Wire) -> dict[str, Any]:
    """What llama-server tells of itself: build, context of one request, template, slots."""
    try:
        found = parsed(await wire.get(f"{root_of(wire.address)}/props"))
    except ServerError as failure:
        if failure.is_unknown_route:
            return {}
        raise
    if not isinstance(found, dict):
        return {}
    settings, template = found.get("default_generation_settings"), found.get("chat_template")
    facts = {name: found[name] for name in ("build_info", "total_slots") if name in found}
    if isinstance(settings, dict) and isinstance(settings.get("n_ctx"), int):
        facts["n_ctx"] = settings["n_ctx"]
    if isinstance(template, str):
        facts["chat_template_digest"] = hashlib.sha256(template.encode("utf-8", "replace")).hexdigest()
    return facts


async def _version(wire: Wire) -> dict[str, Any]:
    try:
        found = parsed(await wire.get(f"{root_of(wire.address)}/version"))
    except ServerError as failure:
        if failure.is_unknown_route:
            return {}
        raise
    return {"version": str(found.get("version"))} if isinstance(found, dict) else {}


async def _warm_up(wire: Wire, speaker: OpenAiSpeaker) -> Yardstick | None:
    """Two answers of one token, with every parameter that answers are asked with."""
    try:
        counts = [await speaker.try_out(wire, prompt) for prompt in reference_prompts()]
        return Yardstick.measured(*counts)
    except ServerError as failure:
        if failure.kind == "overflow":  # a context this small has its own message
            return None
        raise


def _refuse_small_context(spec: ModelSpec, facts: dict[str, Any], sampling: Sampling) -> None:
    held = facts.get("max_model_len", facts.get("n_ctx"))
    if isinstance(held, int) and held < sampling.context_tokens:
        raise UsageError(
            f"arm {spec.arm}: {facts['address']} holds {held} tokens for one request and "
            f"sampling.context_tokens is {sampling.context_tokens}; start it with a larger context, or lower "
            "context_tokens"
        )


def _refuse_different_models(spec: ModelSpec, facts: list[dict[str, Any]]) -> None:
    for name in _IDENTITY:
        told = {str(one[name]) for one in facts if name in one}
        if len(told) > 1:
            raise ModelFileError(
                f"arm {spec.arm}: its servers hold different models: {name} is {' and '.join(sorted(told))}; "
                "one arm is one model"
            )
