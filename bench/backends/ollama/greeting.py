"""What an Ollama server says about itself and the arm's model, and whether it will do.

In: the endpoints of an arm. Out: facts for the manifest, the same model at every server; a BenchError where
there is none, where a server is too old to be told not to cut prompts, or where its model would change what
the run asks. The model is loaded here, with the context that will be used.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from bench.backends._server.failure import ServerError
from bench.backends._server.wire import Wire, parsed
from bench.backends.ollama.library import Library, Shown, Tag, template_digest
from bench.errors import BackendError, ModelFileError, UsageError
from bench.records import ModelSpec, Sampling

OLDEST = (0, 12, 6)
"""The first version whose chat interface takes `truncate: false` and `shift: false`."""


class Found(NamedTuple):
    """The arm's model at one server."""

    address: str
    tag: Tag
    shown: Shown


def found_at(addresses: tuple[str, ...], spec: ModelSpec) -> tuple[list[Found], dict[str, str]]:
    """The model at every server that answers, and why the others do not; BackendError if none does."""
    found, absent = [], {}
    for address in addresses:
        library = Library(address)
        try:
            found.append(Found(address, library.tag(spec.ref), library.show(spec.ref)))
        except BackendError as error:
            absent[address] = str(error)
    if not found:
        raise BackendError(f"arm {spec.arm}: " + " ".join(absent.values()))
    digests = {one.tag.digest for one in found}
    if len(digests) > 1:
        raise ModelFileError(
            f"arm {spec.arm}: its servers hold different models under {spec.ref!r}; one arm is one model"
        )
    return found, absent


def refuse_unfit(spec: ModelSpec, shown: Shown, sampling: Sampling) -> None:
    """A BenchError where the model's own Modelfile would change what every arm is asked."""
    if shown.has_messages:
        raise UsageError(
            f"arm {spec.arm}: the Modelfile of {spec.ref} puts messages before every conversation; make a "
            "model without MESSAGE, e.g. with `bench models create`"
        )
    if "completion" not in (shown.capabilities or ("completion",)):
        raise UsageError(f"arm {spec.arm}: {spec.ref} writes no text ({', '.join(shown.capabilities)})")
    trained = shown.trained_context_tokens
    if trained is not None and trained < sampling.context_tokens:
        raise UsageError(
            f"arm {spec.arm}: {spec.ref} was trained for {trained} tokens and Ollama holds no more; "
            f"sampling.context_tokens is {sampling.context_tokens}: lower it"
        )


async def version_of(wire: Wire) -> str:
    """The server's version; ServerError where it does not answer as Ollama does."""
    found = parsed(await wire.get(f"{wire.address}/api/version"))
    version = found.get("version") if isinstance(found, dict) else None
    if not isinstance(version, str):
        raise ServerError("garbled", "it tells no version; is it Ollama?")
    return version


def refuse_old(spec: ModelSpec, address: str, version: str) -> None:
    """UsageError for a server that would cut prompts whatever it is told."""
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    parts = tuple(map(int, numbers.groups())) if numbers else (0, 0, 0)
    if (0, 0, 0) < parts < OLDEST:  # 0.0.0 is a build of one's own
        wanted = ".".join(map(str, OLDEST))
        raise UsageError(
            f"arm {spec.arm}: {address} is Ollama {version}, which cuts prompts in silence; update it to "
            f"{wanted} or later"
        )


def facts(found: Found, version: str, loaded_context_tokens: int | None) -> dict[str, Any]:
    """What the manifest keeps about one server."""
    return {
        "address": found.address,
        "version": version,
        **found.shown.details,
        "template_digest": template_digest(found.shown),
        "trained_context_tokens": found.shown.trained_context_tokens,
        "loaded_context_tokens": loaded_context_tokens,
        "capabilities": list(found.shown.capabilities),
        "modelfile_parameters": found.shown.parameters,
    }


def warnings(shown: Shown) -> list[str]:
    """What a reader must know about this arm."""
    told = ["Ollama keeps prompts between requests and cannot be told not to: cached_tokens is unknown"]
    if shown.has_system:
        told.append("the model's Modelfile has a SYSTEM text; it is used where a prompt has none of its own")
    return told
