"""What an `openai_api` arm may set, and what a declared kind of server can honour.

In: an arm and the run's sampling. Out: checked options, or a BenchError before anything is asked. It opens
no connection; the key is read from the environment and from nowhere else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.backends import parse_options
from bench.backends._server.address import checked_address
from bench.backends.llama_cpp.grammar import answer_grammar
from bench.errors import ConfigError, UsageError
from bench.records import AnswerSchema, ModelSpec, Sampling, Text

PATHS = {"chat": "/chat/completions", "completions": "/completions"}
"""Where answers are asked for, by `endpoint`."""
ServerKind = Literal["llama_server", "vllm", "plain"]
_PLAIN_HOTTEST = 2.0  # what OpenAI's own interface takes


class Options(BaseModel):
    """Where the servers are, what they are, and how they are asked. `ref` is the model's name there."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base_url: Text | tuple[Text, ...] = Field(min_length=1)
    """`http://host:port/v1`; a list of several servers with the same model shares the work among them."""
    server: ServerKind = "plain"
    """`llama_server`, `vllm`, or `plain`: a server that knows OpenAI's own parameters and no others."""
    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the key; the key itself stands in no file."""
    endpoint: Literal["chat", "completions"] = "chat"
    """`completions` is the older interface, which takes rendered text."""
    chat_template: Text | None = None
    """File of a Jinja chat template; for `completions` on a plain server, which cannot render."""
    concurrency: int | None = Field(None, ge=1, le=512)
    """Requests in flight at each server; None shares the run's width among them."""
    n_per_request: int = Field(1, ge=1, le=64)
    """Answers asked for in one request. Above 1 the server derives their seeds from the first one's."""
    stream: bool = False
    """Stream every answer, so that the time to the first token is known; latency mode always does."""
    connect_s: float = Field(10.0, gt=0, le=600)
    """Longest wait for a connection."""
    timeout_s: float = Field(600.0, gt=0, le=86_400)
    """Longest time for one request, its wait in the server's queue included."""
    retries: int = Field(3, ge=0, le=20)
    """Further attempts after a failure that may pass: no connection, 429, 5xx."""
    longest_wait_s: float = Field(60.0, ge=0, le=3600)
    """Longest Retry-After that is waited for."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers, as given."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url


def checked(spec: ModelSpec, sampling: Sampling) -> Options:
    """The arm's options; a BenchError for whatever its kind of server cannot honour."""
    options = parse_options(Options, spec)
    addresses = checked_addresses(spec, options)
    if len(set(addresses)) < len(addresses):
        raise ConfigError(f"arm {spec.arm}: base_url names a server twice; each has a queue of its own once")
    if spec.adapter is not None:
        raise UsageError(
            f"arm {spec.arm}: a server applies no adapter when asked; start it with the adapter, and name "
            "the model it then serves as `ref`"
        )
    if any(not text for text in sampling.stop):
        raise ConfigError("sampling.stop: an empty text would end every answer at once; remove it")
    key(spec, options)
    if options.server == "plain":
        _refuse_what_plain_servers_lack(spec, options, sampling)
    if options.n_per_request > 1 and (options.stream or sampling.stop_on_json):
        raise UsageError(
            f"arm {spec.arm}: n_per_request {options.n_per_request} goes with neither stream nor "
            "stop_on_json; set it to 1"
        )
    _check_template(spec, options)
    return options


def refuse_unconstrainable(spec: ModelSpec, options: Options, schema: AnswerSchema) -> None:
    """UsageError where this kind of server cannot hold an answer to the schema."""
    if options.server == "llama_server":
        answer_grammar(schema)
    elif options.server == "plain" and schema.form != "json":
        raise UsageError(
            f"arm {spec.arm}: a plain server holds answers to JSON only, and the task asks for a bare "
            f"{schema.form}; write output: free, or declare `server: llama_server` or `vllm` where it is one"
        )


def checked_addresses(spec: ModelSpec, options: Options) -> tuple[str, ...]:
    """The arm's servers as addresses that may be shown."""
    return tuple(checked_address(text, f"arm {spec.arm}: base_url") for text in options.addresses)


def key(spec: ModelSpec, options: Options) -> str | None:
    """The key from the environment, None where the arm names none."""
    if options.api_key_env is None:
        return None
    value = os.environ.get(options.api_key_env, "").strip()
    if not value:
        raise ConfigError(
            f"arm {spec.arm}: the environment variable {options.api_key_env} is not set; put the key into it"
        )
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"arm {spec.arm}: {options.api_key_env} holds what cannot be a key; set it again")
    return value


def in_flight(options: Options, n_servers: int, width: int) -> int:
    """Requests in flight at each server."""
    return options.concurrency or max(1, -(-width // n_servers))


def _refuse_what_plain_servers_lack(spec: ModelSpec, options: Options, sampling: Sampling) -> None:
    neutral = {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}
    asked = [name for name, off in neutral.items() if getattr(sampling, name) != off]
    if asked:
        raise UsageError(
            f"arm {spec.arm}: a plain server has no {', '.join(asked)}; set it to its neutral value "
            f"({', '.join(f'{name}: {neutral[name]:g}' for name in asked)}), or declare "
            "`server: llama_server` or `vllm` where it is one"
        )
    if sampling.temperature > _PLAIN_HOTTEST:
        raise UsageError(
            f"arm {spec.arm}: a plain server takes temperatures up to {_PLAIN_HOTTEST:g}; "
            f"sampling.temperature is {sampling.temperature:g}"
        )
    if options.n_per_request > 1:
        raise UsageError(
            f"arm {spec.arm}: n_per_request needs `server: llama_server` or `vllm`, whose seeds for the "
            "further answers are known; set it to 1"
        )
    if spec.output == "json_schema" and options.endpoint == "completions":
        raise UsageError(
            f"arm {spec.arm}: a plain server holds no completion to a schema; use `endpoint: chat`"
        )


def _check_template(spec: ModelSpec, options: Options) -> None:
    wants_one = options.endpoint == "completions" and options.server == "plain"
    if wants_one and options.chat_template is None:
        raise ConfigError(
            f"arm {spec.arm}: `endpoint: completions` on a plain server takes text, not messages; give the "
            "model's Jinja template in chat_template, or use `endpoint: chat`"
        )
    if options.chat_template is not None and not wants_one:
        raise ConfigError(
            f"arm {spec.arm}: this server renders by the model's own template; remove chat_template"
        )
    if options.chat_template is not None and not Path(options.chat_template).is_file():
        raise ConfigError(f"arm {spec.arm}: chat_template {options.chat_template}: no such file")
