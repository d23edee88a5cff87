"""An arm's model loaded at every server that answers, and the session on it.

In: an arm, what its servers said, endpoints. Out: a session, its `loaded` filled in. The model is loaded with
the context that will be used, and a server that holds less is refused.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bench.backends._server.bridge import Bridge
from bench.backends._server.failure import ServerError
from bench.backends._server.first_token import neutral
from bench.backends._server.flow import Endpoint
from bench.backends._server.patience import Patience
from bench.backends._server.session import Manner, ServerSession
from bench.backends.ollama.chat import Bodies
from bench.backends.ollama.greeting import Found, facts, refuse_old, version_of, warnings
from bench.backends.ollama.inspection import OllamaInspector
from bench.backends.ollama.library import Library, unreachable
from bench.backends.ollama.options import Options
from bench.backends.ollama.speaker import OllamaSpeaker
from bench.errors import BackendError, UsageError
from bench.records import AnswerSchema, LoadedModel, ModelSpec, Sampling


class Arm(NamedTuple):
    """What was asked for."""

    spec: ModelSpec
    sampling: Sampling
    schema: AnswerSchema
    options: Options


def opened(arm: Arm, found: list[Found], endpoints: list[Endpoint], bridge: Bridge) -> ServerSession:
    """Load the model at every server; BackendError where none of them can."""
    shown = found[0].shown
    own_stops = shown.parameters.get("stop", [])
    bodies = Bodies(
        arm.spec.ref,
        arm.options,
        arm.sampling,
        arm.schema if arm.spec.output == "json_schema" else None,
        own_stops,
        can_think="thinking" in shown.capabilities,
    )
    speaker = OllamaSpeaker(bodies, arm.sampling, stream=arm.options.stream)
    by_address = {endpoint.wire.address: endpoint for endpoint in endpoints}
    told = [_loaded_at(one, by_address[one.address], arm, speaker, bridge) for one in found]
    servers = [one for one in told if one is not None]
    if not servers:
        reasons = "; ".join(f"{e.wire.address}: {e.set_aside}" for e in endpoints)
        raise BackendError(f"arm {arm.spec.arm}: {unreachable(reasons)}")
    loaded = LoadedModel(
        digest=found[0].tag.digest,
        file_bytes=found[0].tag.size_bytes,
        load_s=servers[0]["load_s"],
        engine=f"ollama {servers[0]['version']}",
        details={"servers": servers, "stop_texts_of_model": own_stops, "warnings": warnings(shown)},
    )
    manner = Manner(Patience(arm.options.retries, arm.options.longest_wait_s))
    neutral_bodies = Bodies(
        arm.spec.ref,
        arm.options,
        neutral(arm.sampling),
        None,
        (),
        can_think="thinking" in shown.capabilities,
    )
    inspector = OllamaInspector(arm.spec.ref, neutral_bodies, own_stops)
    return ServerSession(loaded, speaker, inspector, endpoints, bridge, manner)


def _loaded_at(
    found: Found, endpoint: Endpoint, arm: Arm, speaker: OllamaSpeaker, bridge: Bridge
) -> dict[str, Any] | None:
    """One server's facts once it holds the model, None where it failed."""
    wire = endpoint.wire
    try:
        version = bridge.run(version_of(wire))
        refuse_old(arm.spec, wire.address, version)
        load_s = bridge.run(speaker.warm_up(wire))
    except ServerError as failure:
        endpoint.set_aside = wire.masked(str(failure))
        if failure.may_pass:
            return None
        raise BackendError(
            f"arm {arm.spec.arm}: {wire.address} will not answer: {endpoint.set_aside}"
        ) from failure
    held = Library(wire.address).loaded_context_tokens(arm.spec.ref)
    if held is not None and held < arm.sampling.context_tokens:
        raise UsageError(
            f"arm {arm.spec.arm}: {wire.address} loaded {arm.spec.ref} with {held} tokens of context, not "
            f"{arm.sampling.context_tokens}; free memory there, or lower sampling.context_tokens"
        )
    return {**facts(found, version, held), "load_s": load_s}
