"""Any server with OpenAI's interface: llama-server, vLLM, TGI, LM Studio, or OpenAI itself.

In: an arm whose `ref` is the model's name there, with options base_url, server and api_key_env. Out: a
session that keeps so many requests in flight. Weights behind a socket cannot be digested: `digest` is None.

    options    what an arm may set, and what is refused   body      what is sent, per kind of server
    greeting   what a server says before the run          reply     what it answers, trusted in nothing
    prepare    tokens and text of a prompt                speaker   prompt and seeds -> completions
    inspection how a server reads a prompt, for parity
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from bench import provenance
from bench.backends import BackendState, parse_options
from bench.backends._server.schema import refuse_begun_turn
from bench.backends.openai_api.options import (
    Options,
    checked,
    checked_addresses,
    in_flight,
    key,
    refuse_unconstrainable,
)
from bench.errors import MissingExtraError
from bench.records import AnswerSchema, LoadedModel, ModelSpec, Prompt, Sampling

if TYPE_CHECKING:
    from bench.backends._server.flow import Endpoint
    from bench.backends._server.session import ServerSession
    from bench.backends._server.wire import Wire

DISTRIBUTION = "httpx2"
_REMEDY = 'pip install "bench[servers]"'
_BYTES_PER_TOKEN = 2048  # an event of a stream holds one token and up to a kilobyte around it
_SPARE_BYTES = 1 << 20


class Backend:
    """A server, or several with the same model."""

    Options: ClassVar[type[BaseModel]] = Options

    def state(self) -> BackendState:
        """Whether the client is installed; servers are an arm's, see `reached`."""
        version = provenance.package_version(DISTRIBUTION)
        if version is None or not _is_importable():
            return BackendState(False, version, _REMEDY)
        return BackendState(True, f"{DISTRIBUTION} {version}", None)

    def check(self, spec: ModelSpec, sampling: Sampling) -> None:
        """Refuse options and settings that the declared kind of server cannot honour; asks no server."""
        checked(spec, sampling)
        if not _is_importable():
            raise MissingExtraError(f"arm {spec.arm}: httpx2 and tenacity are not installed; run: {_REMEDY}")

    def check_schema(self, spec: ModelSpec, schema: AnswerSchema) -> None:
        """Refuse a begun assistant's turn, and what the declared kind of server holds no answer to."""
        refuse_begun_turn(spec, schema)
        if spec.output == "json_schema":
            refuse_unconstrainable(spec, parse_options(Options, spec), schema)

    def digest(self, spec: ModelSpec) -> str | None:
        """Unknown: no server tells it."""
        return None

    def widest(
        self, spec: ModelSpec, sampling: Sampling, prompts: Sequence[Prompt], iterations: int
    ) -> int | None:
        """No limit known: requests wait in the server's queue."""
        return None

    def open(self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema, width: int) -> ServerSession:
        """Ask every server what it is, and for one token."""
        from bench.backends._server.bridge import Bridge
        from bench.backends._server.patience import Patience
        from bench.backends._server.session import Manner, ServerSession, close
        from bench.backends.openai_api.greeting import greet
        from bench.backends.openai_api.inspection import OpenAiInspector
        from bench.backends.openai_api.speaker import OpenAiSpeaker

        self.check(spec, sampling)
        options = checked(spec, sampling)
        speaker = OpenAiSpeaker(spec, options, sampling, schema)
        patience = Patience(options.retries, options.longest_wait_s)
        endpoints = _endpoints(spec, options, sampling, width)
        bridge = Bridge()
        try:
            facts = bridge.run(greet(endpoints, spec, options, sampling, speaker, patience))
        except BaseException:
            close(bridge, endpoints)
            raise
        loaded = LoadedModel(engine=_engine(options, facts), details=_details(options, sampling, facts))
        inspector = OpenAiInspector(spec.ref, options, sampling)
        manner = Manner(patience, options.n_per_request)
        return ServerSession(loaded, speaker, inspector, endpoints, bridge, manner)

    def reached(self, spec: ModelSpec) -> str:
        """What the arm's servers say they serve; BackendError where none of them answers."""
        from bench.backends._server.greet import first_words
        from bench.backends.openai_api.greeting import START_WITH, reached

        options = parse_options(Options, spec)
        wires = [_wire(spec, options, address, _SPARE_BYTES) for address in checked_addresses(spec, options)]
        return first_words(wires, reached, f"start it, e.g. `{START_WITH[options.server]}`")


def _is_importable() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("httpx2", "tenacity"))


def _wire(spec: ModelSpec, options: Options, address: str, max_bytes: int) -> Wire:
    from bench.backends._server.wire import Limits, Wire
    from bench.backends.openai_api.reply import explain

    limits = Limits(options.connect_s, options.timeout_s, max_bytes)
    return Wire(address, key(spec, options), limits, explain)


def _endpoints(spec: ModelSpec, options: Options, sampling: Sampling, width: int) -> list[Endpoint]:
    from bench.backends._server.flow import Endpoint

    addresses = checked_addresses(spec, options)
    n_in_flight = in_flight(options, len(addresses), width)
    max_bytes = _SPARE_BYTES + _BYTES_PER_TOKEN * sampling.max_tokens * options.n_per_request
    return [Endpoint(_wire(spec, options, address, max_bytes), n_in_flight) for address in addresses]


def _engine(options: Options, facts: Sequence[dict[str, Any]]) -> str:
    """Engine and version, as far as the servers tell them."""
    versions = sorted({str(v) for one in facts for v in (one.get("build_info") or one.get("version"),) if v})
    return " ".join([options.server, *versions])


def _details(options: Options, sampling: Sampling, facts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "servers": facts,
        "interface": options.endpoint,
        "n_per_request": options.n_per_request,
        "streamed": options.stream or sampling.stop_on_json,
        "warnings": _warnings(options),
    }


def _warnings(options: Options) -> list[str]:
    found = []
    if options.server == "plain":
        found.append(
            "top_k, min_p and repeat_penalty are not sent: a plain server is taken to leave them off"
        )
    if options.server != "llama_server":
        found.append(
            "the server may reuse what it computed for another prompt; cached_tokens is what it tells"
        )
    if options.n_per_request > 1:
        found.append(
            f"up to {options.n_per_request} answers come from one request: the first has its sample's seed, "
            "the server derives the others' from it (seed_sent); a resume that asks for fewer draws others"
        )
    return found
