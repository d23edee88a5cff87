"""What an `ollama` arm may set, checked before any server is asked.

In: an arm and the run's sampling. Out: options and addresses, or a BenchError. It opens no connection.
"""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field

from bench.backends import parse_options
from bench.backends.ollama.host import address_of, default_address
from bench.errors import ConfigError, UsageError
from bench.records import ModelSpec, Sampling, Text

KEY_VARIABLE = "OLLAMA_API_KEY"


class Options(BaseModel):
    """Where Ollama is and how it is asked. `ref` is the model's tag, e.g. `llama3.2:3b-instruct-q8_0`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: Text | tuple[Text, ...] | None = None
    """Where it listens, in any form of OLLAMA_HOST; None takes OLLAMA_HOST. Several share the work."""
    keep_alive: str = Field("30m", pattern=r"^(-?\d+|\d+(ms|s|m|h))$")
    """How long the model stays loaded after an answer; -1 is for ever."""
    num_gpu: int | None = Field(None, ge=0, le=1000)
    """Layers on the GPU; None leaves it to Ollama."""
    num_thread: int | None = Field(None, ge=1, le=1024)
    """Threads; None leaves it to Ollama."""
    concurrency: int | None = Field(None, ge=1, le=512)
    """Requests in flight at each server; None shares the run's width among them."""
    stream: bool = False
    """Stream every answer, so that the time to the first token is known; latency mode always does."""
    connect_s: float = Field(10.0, gt=0, le=600)
    """Longest wait for a connection."""
    timeout_s: float = Field(1800.0, gt=0, le=86_400)
    """Longest time for one request, loading the model and waiting in Ollama's queue included."""
    retries: int = Field(3, ge=0, le=20)
    """Further attempts after a failure that may pass: no connection, 503, 5xx."""
    longest_wait_s: float = Field(60.0, ge=0, le=3600)
    """Longest Retry-After that is waited for."""


def checked(spec: ModelSpec, sampling: Sampling) -> Options:
    """The arm's options; a BenchError for what Ollama cannot honour."""
    options = parse_options(Options, spec)
    addresses(spec, options)
    if spec.adapter is not None:
        raise UsageError(
            f"arm {spec.arm}: Ollama applies no adapter when asked; merge it and make a model of it with "
            "`bench models create`, and name that as `ref`"
        )
    if any(not text for text in sampling.stop):
        raise ConfigError("sampling.stop: an empty text would end every answer at once; remove it")
    return options


def addresses(spec: ModelSpec, options: Options) -> tuple[str, ...]:
    """The arm's servers."""
    if options.host is None:
        return (default_address(),)
    hosts = (options.host,) if isinstance(options.host, str) else options.host
    found = tuple(address_of(host, f"arm {spec.arm}: host") for host in hosts)
    if not found or len(set(found)) < len(found):
        raise ConfigError(f"arm {spec.arm}: host names no server, or one twice; each is named once")
    return found


def key() -> str | None:
    """The key that Ollama's own client sends, where there is one."""
    return os.environ.get(KEY_VARIABLE, "").strip() or None
