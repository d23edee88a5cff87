"""Models in Ollama, asked through its native interface.

In: an arm whose `ref` is a tag, with the option host where OLLAMA_HOST does not say it. Out: a session that
keeps so many requests in flight. The digest is the manifest's, so a new template is another model.

    host       OLLAMA_HOST in all its forms               library    list, show, pull, create
    options    what an arm may set                        greeting   what a server says before the run
    opening    the model loaded, the session made         chat       what is sent and what comes back
    speaker    prompt and seed -> completion              modelfile  a chat template in Ollama's words
    making     a GGUF -> a model, its prompt checked      inspection how it reads a prompt, for parity
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from bench.backends import BackendState, parse_options
from bench.backends._server.schema import refuse_begun_turn
from bench.backends.ollama.library import REMEDY, START, client_version
from bench.backends.ollama.options import Options, addresses, checked, key
from bench.errors import BackendError, BenchError, MissingExtraError, UsageError
from bench.records import AnswerSchema, ModelSpec, Prompt, Sampling

if TYPE_CHECKING:
    from bench.backends._server.flow import Endpoint
    from bench.backends._server.session import ServerSession
    from bench.backends._server.wire import Wire

_BYTES_PER_TOKEN = 2048
_SPARE_BYTES = 1 << 20


class Backend:
    """Ollama, here or elsewhere."""

    Options: ClassVar[type[BaseModel]] = Options

    def state(self) -> BackendState:
        """Whether the client is installed, and whether a server answers at OLLAMA_HOST."""
        version = client_version()
        if version is None or not _is_importable():
            return BackendState(False, version, REMEDY)
        from bench.backends._server.greet import first_words
        from bench.backends.ollama.host import default_address

        try:
            address = default_address()
            said = first_words([_wire(Options(), address, _SPARE_BYTES)], _version_told, f"start it: {START}")
        except BackendError as error:
            return BackendState(True, f"client {version}; {error}", START, reachable=False)
        except BenchError as error:  # OLLAMA_HOST is no address
            return BackendState(True, f"client {version}; {error}", "unset OLLAMA_HOST", reachable=False)
        return BackendState(True, f"client {version}; {said}", None, reachable=True)

    def check(self, spec: ModelSpec, sampling: Sampling) -> None:
        """Refuse options and settings that Ollama cannot honour; asks no server."""
        checked(spec, sampling)
        if not _is_importable():
            raise MissingExtraError(
                f"arm {spec.arm}: ollama, httpx2 and tenacity are not installed; run: {REMEDY}"
            )

    def check_schema(self, spec: ModelSpec, schema: AnswerSchema) -> None:
        """Refuse a begun assistant's turn, and bare answers held to their labels."""
        refuse_begun_turn(spec, schema)
        if spec.output == "json_schema" and schema.form != "json":
            raise UsageError(
                f"arm {spec.arm}: ollama holds answers to JSON only, and the task asks for a bare "
                f"{schema.form}; write output: free"
            )

    def digest(self, spec: ModelSpec) -> str | None:
        """The digest of the model's manifest, as the server tells it."""
        from bench.backends.ollama.greeting import found_at

        found, _ = found_at(addresses(spec, parse_options(Options, spec)), spec)
        return found[0].tag.digest

    def widest(
        self, spec: ModelSpec, sampling: Sampling, prompts: Sequence[Prompt], iterations: int
    ) -> int | None:
        """No limit known: requests wait in the server's queue."""
        return None

    def open(self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema, width: int) -> ServerSession:
        """Look at the model, load it with the run's context, and see how long a token is."""
        from bench.backends._server.bridge import Bridge
        from bench.backends._server.session import close
        from bench.backends.ollama.greeting import found_at, refuse_unfit
        from bench.backends.ollama.opening import Arm, opened

        self.check(spec, sampling)
        options = checked(spec, sampling)
        found, absent = found_at(addresses(spec, options), spec)
        refuse_unfit(spec, found[0].shown, sampling)
        endpoints = _endpoints(spec, options, sampling, width, absent)
        bridge = Bridge()
        try:
            return opened(Arm(spec, sampling, schema, options), found, endpoints, bridge)
        except BaseException:
            close(bridge, endpoints)
            raise

    def reached(self, spec: ModelSpec) -> str:
        """Which versions answer; BackendError where none does, ModelFileError where the model is absent."""
        from bench.backends._server.greet import first_words

        options = parse_options(Options, spec)
        wires = [_wire(options, address, _SPARE_BYTES) for address in addresses(spec, options)]
        said = first_words(wires, _version_told, f"start it: {START}, or set OLLAMA_HOST to where it is")
        self.digest(spec)
        return said


def _is_importable() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("ollama", "httpx2", "tenacity"))


async def _version_told(wire: Wire) -> str:
    from bench.backends.ollama.greeting import version_of

    return f"is Ollama {await version_of(wire)}"


def _wire(options: Options, address: str, max_bytes: int) -> Wire:
    from bench.backends._server.wire import Limits, Wire
    from bench.backends.ollama.chat import explain

    return Wire(address, key(), Limits(options.connect_s, options.timeout_s, max_bytes), explain)


def _endpoints(
    spec: ModelSpec, options: Options, sampling: Sampling, width: int, absent: dict[str, str]
) -> list[Endpoint]:
    from bench.backends._server.flow import Endpoint

    places = addresses(spec, options)
    n_in_flight = options.concurrency or max(1, -(-width // len(places)))
    max_bytes = _SPARE_BYTES + _BYTES_PER_TOKEN * sampling.max_tokens
    return [
        Endpoint(_wire(options, place, max_bytes), n_in_flight, set_aside=absent.get(place))
        for place in places
    ]
