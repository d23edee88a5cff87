"""What every backend offers: one file (or folder) a backend, each with a class `Backend`.

In: an arm and requests (one prompt, N seeds). Out: completions, in whatever order they finish.
A backend judges nothing, stores nothing and knows nothing about tasks; a failure of the model or
of the server is a Completion with `error`, a mistake of the user a BenchError before any answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ValidationError

from bench import plugins
from bench.errors import ConfigError
from bench.records import AnswerSchema, Completion, LoadedModel, ModelSpec, Prompt, Sampling

ROOM = "backends"
OptionsT = TypeVar("OptionsT", bound=BaseModel)


class Request(NamedTuple):
    """One prompt to answer once per seed."""

    prompt: Prompt
    seeds: tuple[int, ...]


class Answer(NamedTuple):
    """One completion and the place of its seed in the request."""

    prompt_id: str
    seed_index: int
    completion: Completion


class BackendState(NamedTuple):
    """What `bench doctor` prints about one backend."""

    installed: bool
    version: str | None
    """Version of the engine, None where absent."""
    remedy: str | None
    """The exact command that would mend it, None where nothing is wrong."""
    reachable: bool | None = None
    """Whether a server answers where one is looked for; None where there is nowhere to look."""


@runtime_checkable
class Served(Protocol):
    """What a backend has besides where its models lie behind a socket."""

    def reached(self, spec: ModelSpec) -> str:
        """What answers where the arm looks; a BenchError with what to start where nothing does."""


@runtime_checkable
class Session(Protocol):
    """One opened arm. It is used by one thread and closed once."""

    loaded: LoadedModel

    def generate(self, requests: Iterable[Request], *, reuse: bool = True) -> Iterator[Answer]:
        """One Answer per seed of every request, in any order; all requests may be read before the first.

        Without `reuse` one answer is made after the other, and nothing computed for one serves another.
        """

    def stream(self, request: Request) -> Iterator[str]:
        """The text of one answer to the request's first seed, piece by piece."""

    def close(self) -> None:
        """Free the model. Closing twice does nothing."""


class TokenProbability(NamedTuple):
    """One token that may come next."""

    token: int | None
    """Its id; None where a server tells texts only."""
    text: str
    """What it adds to an answer; "" where a server tells ids only."""
    logprob: float
    """Natural logarithm of its probability, before any sampling setting."""


class StopTokens(NamedTuple):
    """The tokens that end an answer."""

    texts: dict[int, str]
    """Id -> its text in the vocabulary."""
    is_whole: bool = True
    """False where the engine may know others that it does not tell."""
    by_name: frozenset[int] = frozenset()
    """Those that the model's files do not state: the engine knows their texts."""


@runtime_checkable
class Inspectable(Protocol):
    """A session that shows how it reads a prompt; None for what its engine does not tell."""

    def rendered(self, prompt: Prompt) -> str | None:
        """The conversation as the text the model reads; a token that begins it is told by `token_ids`."""

    def token_ids(self, prompt: Prompt) -> tuple[int, ...] | None:
        """That text as tokens, with whatever is put before it."""

    def stop_tokens(self) -> StopTokens | None:
        """The tokens that end an answer."""

    def first_logprobs(self, prompt: Prompt, k: int) -> tuple[TokenProbability, ...] | None:
        """The k likeliest first tokens of an answer, likeliest first."""


class TextSurprise(NamedTuple):
    """How well a model foretold one raw text."""

    nats: float
    """Negative log-likelihood of the tokens that were foretold, together."""
    n_tokens: int
    """How many these are: all of the text's, but its first where no token begins a text."""
    n_bytes: int
    """Their UTF-8 bytes."""


class TextReader(Protocol):
    """An opened model that is asked nothing. Used by one thread, closed once."""

    def text_surprise(self, texts: Sequence[str], window: int, stride: int) -> Iterator[TextSurprise]:
        """One TextSurprise per text, in order; UsageError for a window that the model cannot read.

        At most `window` tokens are read at once. A longer text is read in windows that begin `stride` tokens
        after one another; each foretells what the ones before did not, after the rest of it as context.
        """

    def close(self) -> None:
        """Free the model. Closing twice does nothing."""


class Backend(Protocol):
    """The class each backend module names `Backend`; made without arguments, opens nothing by itself."""

    Options: ClassVar[type[BaseModel]]
    """The options an arm may set, with ranges; extra keys are refused."""

    def state(self) -> BackendState:
        """Whether the engine is installed and which version; loads no model."""

    def check(self, spec: ModelSpec, sampling: Sampling) -> None:
        """Refuse, with a BenchError, what cannot be honoured; cheap, before anything loads."""

    def digest(self, spec: ModelSpec) -> str | None:
        """`sha256:...` of what the arm would load now; None where it cannot be known."""

    def widest(
        self, spec: ModelSpec, sampling: Sampling, prompts: Sequence[Prompt], iterations: int
    ) -> int | None:
        """Most answers to these prompts that fit into memory together, 0 if none; None: no limit known."""

    def open(self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema, width: int) -> Session:
        """Load the arm (warm-up included). Raises a BenchError with what to do."""


@runtime_checkable
class ReadsText(Protocol):
    """A backend that tells how well a model foretells raw text, without a conversation around it."""

    def open_reader(self, spec: ModelSpec) -> TextReader:
        """Load the arm, which needs no chat template. Raises a BenchError with what to do."""


@runtime_checkable
class Classifies(Protocol):
    """A backend some of whose arms are classifiers: they draw no tokens and always answer alike."""

    def is_classifier(self, spec: ModelSpec) -> bool:
        """Whether this arm is one."""


@runtime_checkable
class ChecksSchema(Protocol):
    """A backend some of whose arms cannot answer in every schema."""

    def check_schema(self, spec: ModelSpec, schema: AnswerSchema) -> None:
        """Refuse what cannot be said, or not be held to, in the task's answer; cheap, loads nothing."""


@runtime_checkable
class CountsTokens(Protocol):
    """A backend that can say how long prompts are for a model without loading its weights."""

    def prompt_tokens(self, ref: str, prompts: Sequence[Prompt]) -> list[int | None]:
        """Tokens of each prompt, template included; None where the template refuses one.

        Raises a BenchError for what is no model of this backend's.
        """


def check_schema(spec: ModelSpec, schema: AnswerSchema) -> None:
    """Refuse, with a BenchError, an arm that cannot answer in this schema; before anything loads."""
    backend = get(spec.backend)
    if isinstance(backend, ChecksSchema):
        backend.check_schema(spec, schema)


def iterations(spec: ModelSpec, wanted: int) -> int:
    """Answers to each article that are worth having of this arm: 1 where all of them would be equal."""
    backend = get(spec.backend)
    return 1 if isinstance(backend, Classifies) and backend.is_classifier(spec) else wanted


def get(name: str) -> Backend:
    """A backend by name; ConfigError with the known names where there is no such file."""
    backend: Backend = plugins.load(ROOM, name).Backend()
    return backend


def parse_options(model: type[OptionsT], spec: ModelSpec) -> OptionsT:
    """The arm's options as the backend's model; ConfigError names arm, option and what is allowed."""
    try:
        return model.model_validate(spec.options)
    except ValidationError as error:
        # an option that is not one is often the missing one, misspelt
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"]) or "options"
        known = ", ".join(model.model_fields)
        raise ConfigError(
            f"arm {spec.arm}: option {where!r}: {first['msg']} (options of {spec.backend}: {known})"
        ) from error
