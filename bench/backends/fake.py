"""A scripted backend: answers without a model, for tests and for measuring everything around a model.

In: a request. Out: answers that depend on nothing but the arm, the article and the seed (or on the
script in the options), failures where the script says so. A token is four characters here. Timings
are None unless a delay was asked for. It writes answers of the right shape; it understands nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from bench import choices
from bench.backends import Answer, BackendState, Request, parse_options
from bench.backends._json_end import JsonEnd
from bench.errors import BackendError, NoArticlesError, UsageError
from bench.identity import canonical_json
from bench.records import (
    AnswerField,
    AnswerSchema,
    Completion,
    LoadedModel,
    ModelSpec,
    Prompt,
    Sampling,
    StopReason,
    Text,
)

_TOKEN_CHARS = 4
_MASK = 2**64 - 1
_ARM_SHIFT = 0.05  # how far two arms' scores lie apart, as a share of half the range
_STRAY = 8  # one in so many answers takes any label
_NOISE = 0.1  # how far two answers of one arm to one article lie apart, likewise


class Options(BaseModel):
    """The script. Counts are over the answers of one session, from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    answers: tuple[Text, ...] | None = Field(None, min_length=1)
    """Texts to answer with, chosen by seed; None writes answers that fit the task's schema."""
    valid_rate: float = Field(1.0, ge=0, le=1)
    """Share of the written answers that are whole; the others end in the middle. Chosen by seed."""
    delay_s: float = Field(0.0, ge=0, le=60)
    """Seconds each answer takes."""
    tokens: int | None = Field(None, ge=0)
    """Tokens to report for each answer; None counts one for every four characters."""
    fail_every: int | None = Field(None, ge=1)
    """Every so many answers, one is an error."""
    fail_after: int | None = Field(None, ge=0)
    """After so many answers, all are errors."""
    die_after: int | None = Field(None, ge=0)
    """After so many answers the backend cannot be reached any more."""
    overflow_articles: tuple[str, ...] = ()
    """Ids of articles that do not fit the context, however short they are."""


class Backend:
    """The scripted backend; always there."""

    Options: ClassVar[type[BaseModel]] = Options

    def state(self) -> BackendState:
        """Part of bench, so always installed."""
        return BackendState(True, None, None)

    def check(self, spec: ModelSpec, sampling: Sampling) -> None:
        """Refuse unknown options and adapters; samplers change nothing in scripted text."""
        parse_options(Options, spec)
        if spec.adapter is not None:
            raise UsageError(f"arm {spec.arm}: the fake backend applies no adapter; remove `adapter`")

    def digest(self, spec: ModelSpec) -> str | None:
        """The digest of the script."""
        script = canonical_json([spec.ref, parse_options(Options, spec).model_dump(mode="json")])
        return f"sha256:{hashlib.sha256(script.encode('ascii')).hexdigest()}"

    def widest(
        self, spec: ModelSpec, sampling: Sampling, prompts: Sequence[Prompt], iterations: int
    ) -> int | None:
        """Nothing limits it."""
        return None

    def open(self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema, width: int) -> FakeSession:
        """Begin a script; nothing is loaded."""
        self.check(spec, sampling)
        loaded = LoadedModel(digest=self.digest(spec), engine="fake", details={"width": width})
        return FakeSession(spec, sampling, schema, loaded)


class FakeSession:
    """One arm's script."""

    def __init__(
        self, spec: ModelSpec, sampling: Sampling, schema: AnswerSchema, loaded: LoadedModel
    ) -> None:
        self.loaded = loaded
        self._options = parse_options(Options, spec)
        self._sampling = sampling
        self._writer = _Writer(spec, schema)
        self._n_answers = 0

    def generate(self, requests: Iterable[Request], *, reuse: bool = True) -> Iterator[Answer]:
        """One Answer per seed, in the order asked."""
        for prompt, seeds in requests:
            prompt_tokens, text_of = self._prepare(prompt)
            for seed_index, seed in enumerate(seeds):
                yield Answer(prompt.id, seed_index, self._complete(prompt_tokens, text_of, seed))

    def stream(self, request: Request) -> Iterator[str]:
        """The first seed's answer, a token at a time."""
        prompt_tokens, text_of = self._prepare(request.prompt)
        completion = self._complete(prompt_tokens, text_of, request.seeds[0])
        if completion.error is not None:
            raise BackendError(completion.error)
        if completion.stop_reason == "context_overflow":
            raise NoArticlesError("the prompt does not fit the context; shorten it or raise context_tokens")
        for start in range(0, len(completion.text), _TOKEN_CHARS):
            yield completion.text[start : start + _TOKEN_CHARS]

    def close(self) -> None:
        """Nothing to free."""

    def _prepare(self, prompt: Prompt) -> tuple[int | None, Callable[[int], str]]:
        """Tokens of the prompt (None when it does not fit) and what answers a seed."""
        n_tokens = sum(len(message.content) for message in prompt.messages) // _TOKEN_CHARS + 1
        too_long = n_tokens + self._sampling.max_tokens > self._sampling.context_tokens
        if too_long or prompt.article_id in self._options.overflow_articles:
            return None, str
        answers = self._options.answers
        if answers is not None:
            return n_tokens, lambda seed: answers[seed % len(answers)]
        # at temperature 0 every seed draws the same
        greedy = self._sampling.temperature == 0
        write = self._writer.for_article(prompt.article_id, self._options.valid_rate)
        return n_tokens, (lambda seed: write(0)) if greedy else write

    def _complete(self, prompt_tokens: int | None, text_of: Callable[[int], str], seed: int) -> Completion:
        self._n_answers += 1
        options, n = self._options, self._n_answers
        if options.die_after is not None and n > options.die_after:
            raise BackendError(f"the fake backend died after {options.die_after} answers, as its script says")
        if prompt_tokens is None:
            return Completion.model_construct(stop_reason="context_overflow")
        failing = options.fail_after is not None and n > options.fail_after
        if failing or (options.fail_every is not None and n % options.fail_every == 0):
            return Completion.model_construct(prompt_tokens=prompt_tokens, error=f"scripted failure {n}")
        duration_s = self._wait()
        text, stop_reason, n_tokens = self._cut(text_of(seed))
        # not validated: these fields are right by construction, and speed is what this backend is for
        return Completion.model_construct(
            text=text,
            stop_reason=stop_reason,
            prompt_tokens=prompt_tokens,
            completion_tokens=n_tokens if options.tokens is None else options.tokens,
            ttft_s=duration_s,
            duration_s=duration_s,
        )

    def _wait(self) -> float | None:
        if not self._options.delay_s:
            return None
        began = time.perf_counter()
        time.sleep(self._options.delay_s)
        return time.perf_counter() - began

    def _cut(self, text: str) -> tuple[str, StopReason, int]:
        """The answer as far as stop texts and max_tokens let it go, why it ended, and its tokens."""
        for stop in self._sampling.stop:
            text = text.partition(stop)[0] if stop else text
        if self._sampling.stop_on_json:
            raw = text.encode("utf-8")
            text = raw[: JsonEnd().add(raw)].decode("utf-8")
        n_tokens = -(-len(text) // _TOKEN_CHARS)
        if n_tokens <= self._sampling.max_tokens:
            return text, "stop", n_tokens
        return text[: self._sampling.max_tokens * _TOKEN_CHARS], "length", self._sampling.max_tokens


def _mix(value: int) -> int:
    """64 well-mixed bits of an integer (the finalizer of SplitMix64); random.Random costs ten times this."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")


def _unit(bits: int) -> float:
    """Bits as a number from -1 to 1."""
    return bits / 2**63 - 1


class _Writer:
    """Writes answers of the right shape: numbers lie near a place that article and arm decide."""

    def __init__(self, spec: ModelSpec, schema: AnswerSchema) -> None:
        self._fields = schema.fields
        self._bare = None if schema.form == "json" else choices.decoded_texts(schema)
        self._arm_bits = _hashed(spec.arm)

    def for_article(self, article_id: str, valid_rate: float) -> Callable[[int], str]:
        """A function from a seed to the text of its answer."""
        article_bits = _hashed(article_id)
        shift = _ARM_SHIFT * _unit(_mix(self._arm_bits ^ article_bits))
        places = [0.8 * _unit(_mix(article_bits + i)) + shift for i in range(len(self._fields))]
        if self._bare is not None:
            whole = _choice_writer(self._bare, places[0])
        else:
            whole = _object_writer(self._fields, places)
        threshold = int(valid_rate * 2**64)

        def write(seed: int) -> str:
            bits = _mix(seed ^ self._arm_bits)
            text = whole(bits)
            return text if bits < threshold else text[: len(text) // 2]

        return write


def _object_writer(fields: Sequence[AnswerField], places: Sequence[float]) -> Callable[[int], str]:
    parts = [
        (json.dumps(field.name) + ": ", _value_writer(field, place))
        for field, place in zip(fields, places, strict=True)
    ]
    return lambda bits: (
        "{" + ", ".join([key + value(_mix(bits + i)) for i, (key, value) in enumerate(parts)]) + "}"
    )


def _choice_writer(texts: Sequence[str], place: float) -> Callable[[int], str]:
    """Mostly the text that `place`, from -1 to 1, decides, else any of them."""
    own = texts[min(len(texts) - 1, max(0, int((place + 1) / 2 * len(texts))))]
    return lambda bits: own if bits % _STRAY else texts[(bits // _STRAY) % len(texts)]


def _value_writer(field: AnswerField, place: float) -> Callable[[int], str]:
    """A function from 64 bits to the JSON text of a right value; `place` is from -1 to 1."""
    low = -1.0 if field.minimum is None else field.minimum
    high = max(low, 1.0) if field.maximum is None else field.maximum
    middle, half = (low + high) / 2, (high - low) / 2

    def near(bits: int) -> float:
        return min(high, max(low, middle + half * (place + _NOISE * _unit(bits))))

    if field.choices is not None:
        return _choice_writer([json.dumps(choice) for choice in field.choices], place)
    if field.type == "boolean":
        return lambda bits: "true" if bits & 1 else "false"
    if field.type == "integer":
        return lambda bits: str(round(near(bits)))
    if field.type == "number":
        coarse = round(low, 2) == low and round(high, 2) == high  # else rounding could leave the range
        return lambda bits: f"{near(bits):.2f}" if coarse else repr(near(bits))
    return lambda bits: f'"Scripted reason {bits % 1000}."'
