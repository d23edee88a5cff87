"""The models of an Ollama server, through its own client: list, show, pull, create.

In: an address and a tag. Out: plain records. Every way the client can fail is one line with what to do:
BackendError where no server answers, ModelFileError where the model is not there. It asks for no answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import provenance
from bench.backends._server.address import is_loopback
from bench.backends._server.failure import masked, one_line
from bench.backends.ollama.options import key
from bench.errors import BackendError, MissingExtraError, ModelFileError

if TYPE_CHECKING:
    import ollama

REMEDY = 'pip install "bench[servers]"'
START = "ollama serve"
_SHORT_S, _LONG_S = 30.0, 3600.0


class Tag(NamedTuple):
    """A model that is there."""

    name: str
    digest: str | None
    """`sha256:...` of its manifest, which names weights, template and parameters by their digests."""
    size_bytes: int | None
    quantization_level: str | None


class Shown(NamedTuple):
    """What a model is."""

    template: str
    parameters: dict[str, list[str]]
    """What its Modelfile sets, each a list because a stop text may be there several times."""
    has_system: bool
    """Whether its Modelfile has a SYSTEM text."""
    has_messages: bool
    """Whether its Modelfile puts turns before every conversation."""
    capabilities: tuple[str, ...]
    details: dict[str, Any]
    """Family, parameter size, quantization level, trained context, renderer."""
    trained_context_tokens: int | None


class Library:
    """One server's models."""

    def __init__(self, address: str) -> None:
        self.address = address

    def tags(self) -> list[Tag]:
        """Every model that is there."""
        with self._client() as client:
            return [
                Tag(
                    name=model.model or "",
                    digest=_prefixed(model.digest),
                    size_bytes=None if model.size is None else int(model.size),
                    quantization_level=model.details.quantization_level if model.details else None,
                )
                for model in client.list().models
            ]

    def tag(self, ref: str) -> Tag:
        """One model; ModelFileError with what would get it where it is not there."""
        found = {tag.name: tag for tag in self.tags()}
        name = full_name(ref)
        if name not in found:
            known = ", ".join(sorted(found)[:5]) or "none"
            raise ModelFileError(
                f"{self.address} has no model {ref!r} (it has: {known}); run: ollama pull {ref}, "
                "or make it with `bench models create`"
            )
        return found[name]

    def show(self, ref: str) -> Shown:
        """What the model is."""
        with self._client() as client:
            shown = client.show(ref)
        info = dict(shown.modelinfo or {})
        details = shown.details.model_dump() if shown.details else {}
        trained = next((v for k, v in info.items() if k.endswith(".context_length")), None)
        instructions = _instructions(shown.modelfile or "")
        kept = {k: details[k] for k in ("family", "parameter_size", "quantization_level") if details.get(k)}
        kept |= {k.lower(): instructions[k] for k in ("RENDERER", "PARSER") if k in instructions}
        return Shown(
            template=shown.template or "",
            parameters=_parameters(shown.parameters or ""),
            has_system="SYSTEM" in instructions,
            has_messages="MESSAGE" in instructions,
            capabilities=tuple(str(c) for c in shown.capabilities or ()),
            details=kept,
            trained_context_tokens=trained if isinstance(trained, int) else None,
        )

    def loaded_context_tokens(self, ref: str) -> int | None:
        """The context of the model as it is loaded now; None where it is not, or that is not told."""
        with self._client() as client:
            for model in client.ps().models:
                if model.model == full_name(ref):
                    return model.context_length
        return None

    def pull(self, ref: str, told: Callable[[str], None]) -> None:
        """Get a model from the registry that the server knows; `told` hears of every new step."""
        with self._client(_LONG_S) as client:
            _follow(client.pull(ref, stream=True), told)

    def create(
        self, ref: str, gguf: Path, template: str, parameters: dict[str, Any], told: Callable[[str], None]
    ) -> None:
        """Make a model of a GGUF: its bytes are sent once, under their own digest."""
        with self._client(_LONG_S) as client:
            told(f"sending {gguf.name}")
            digest = client.create_blob(gguf)
            steps = client.create(
                ref, files={gguf.name: digest}, template=template, parameters=parameters, stream=True
            )
            _follow(steps, told)

    @contextmanager
    def _client(self, timeout_s: float = _SHORT_S) -> Iterator[ollama.Client]:
        """A client whose every failure is a BenchError."""
        try:
            import httpx
            import ollama
            import pydantic
        except ImportError as error:
            raise MissingExtraError(f"the ollama client is not installed; run: {REMEDY}") from error
        try:
            with ollama.Client(
                host=self.address,
                timeout=timeout_s,
                follow_redirects=False,
                trust_env=not is_loopback(self.address),
            ) as client:
                yield client
        except (ConnectionError, httpx.HTTPError) as error:
            reason = _told(str(error).partition(". Please")[0] or type(error).__name__)
            raise BackendError(unreachable(f"{self.address}: {reason}")) from error
        except ollama.ResponseError as error:
            kind = ModelFileError if error.status_code in {400, 404} else BackendError
            text = f"{self.address}: HTTP {error.status_code}: {_told(error.error)}"
            raise kind(f"{text}; see what `ollama list` has, and the server's log") from error
        except (pydantic.ValidationError, ValueError, RecursionError) as error:
            raise BackendError(
                f"{self.address} does not answer as Ollama does; is it one? See {START!r} and OLLAMA_HOST"
            ) from error


def unreachable(reasons: str) -> str:
    """The one line that says that no server answers, and what to start."""
    return f"no server answers ({reasons}); start it: {START}, or set OLLAMA_HOST to where it is"


def full_name(ref: str) -> str:
    """A tag as Ollama lists it: `latest` where none is given."""
    return ref if ":" in ref.rpartition("/")[2] else f"{ref}:latest"


def template_digest(shown: Shown) -> str:
    """SHA-256 of the template, to tell a changed one."""
    return hashlib.sha256(shown.template.encode("utf-8", "replace")).hexdigest()


def client_version() -> str | None:
    """Version of the client; None where it is not installed."""
    return provenance.package_version("ollama")


def _told(text: str) -> str:
    """What the client or the server said, in one line without the key."""
    return one_line(masked(text, key()))


def _follow(steps: Iterator[Any], told: Callable[[str], None]) -> None:
    last = None
    for step in steps:
        if step.status and step.status != last:
            last = step.status
            told(one_line(last))


def _instructions(modelfile: str) -> dict[str, str]:
    """The instructions of a Modelfile, each with the rest of its last line; long texts left out."""
    flat = re.sub(r'"""[\s\S]*?"""', '"""', modelfile)
    pairs = (line.strip().partition(" ") for line in flat.splitlines())
    return {name.upper(): rest.strip() for name, _, rest in pairs if name and not name.startswith("#")}


def _parameters(text: str) -> dict[str, list[str]]:
    """The lines `name value` that Ollama shows; a value may be quoted."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1].replace('\\"', '"').replace("\\n", "\n")
        if name:
            found.setdefault(name, []).append(value)
    return found


def _prefixed(digest: str | None) -> str | None:
    return None if not digest else "sha256:" + digest.removeprefix("sha256:")
