"""The nouns: what an article, a model, a prompt, an answer and a judgement are.

Everything that crosses from one room to another is one of these frozen records; the JSON lines in
`sentiments/<run_id>/` are these records too. Absent is None, never 0. Nothing here decides, reads
or writes.

    Article -> Prompt -> Completion -> Verdict -> Sample
                            ^
                        ModelSpec, Sampling
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bench.identity import REPEAT_SUFFIX, content_id, normalized_text, short_name

SCORE_LABELS = ("negative", "neutral", "positive")
"""What a score is read as: below, between and above the task's thresholds."""
SCHEMA_VERSION = 1
"""Version of the files in a run folder; raised when an older reader would misread them."""


class Record(BaseModel):
    """A frozen record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _encodable(text: Any) -> Any:
    """Lone surrogates as visible `\\udXXX`: they cannot be written as UTF-8, and nothing may be lost."""
    if isinstance(text, str) and not text.isascii():
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


Text = Annotated[str, BeforeValidator(_encodable)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,79}$")]
Style = Literal["zero_shot", "few_shot"]
Output = Literal["free", "json_schema"]
Form = Literal["json", "label", "letter"]
Tolerance = Literal["space", "case", "period", "quotes", "brackets"]


# ---------------------------------------------------------------- what is asked


class Entity(Record):
    """Who an article is judged about."""

    name: Text
    """The name the prompt uses, e.g. "Brightwater Foods"."""
    ticker: Text | None = None
    """The exchange symbol, where there is one."""


class Article(Record):
    """One news article, frozen: the item, and the unit of analysis."""

    id: str
    """Hash of the normalized text, the entity and the parts, 16 hex digits."""
    text: Text
    """The main text."""
    title: Text | None = None
    """The headline."""
    url: Text | None = None
    """Where it was found."""
    published_at: datetime | None = None
    """When the publisher says it appeared."""
    fetched_at: datetime | None = None
    """When it was fetched."""
    source: Text
    """The name of the article source that gave it."""
    entity: Entity | None = None
    """Who the question is about; None asks about the main subject."""
    label: Text | None = None
    """The right label, where known."""
    reference_score: float | None = None
    """The right score in the task's score range, where known."""
    parts: dict[str, Text] = Field(default_factory=dict)
    """What belongs to it besides the text, by name: the comment that a comment answers, ..."""
    groups: dict[str, Text] = Field(default_factory=dict)
    """What it is counted under besides source, company and label, by name: how many people agreed on the
    label, ...; no model sees it, and it is not part of the id."""

    def __hash__(self) -> int:
        return hash(self.id)  # the parts are a mapping, which has no hash of its own

    @staticmethod
    def make_id(text: str, entity: Entity | None, parts: Mapping[str, str] | None = None) -> str:
        """The id an article with this text, entity and parts has."""
        content = ["article", normalized_text(_encodable(text)), entity.name if entity else None]
        named = {name: normalized_text(_encodable(part)) for name, part in (parts or {}).items()}
        return content_id([*content, named] if named else content)


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: Text
    """What is said."""


class Prompt(Record):
    """What a model is shown for one article; the same for every arm of one style."""

    id: str
    """Hash of task, version, style and messages, 16 hex digits."""
    task: str
    """Name of the task."""
    task_version: str
    """Version of the task's wording and schema."""
    style: Style
    """Whether the examples are in the conversation."""
    article_id: str
    """The article it asks about."""
    messages: tuple[Message, ...]
    """The conversation; it ends with the user's turn, or with the assistant's where that is begun for it."""
    text: Text | None = None
    """The article alone, for models that read no conversation; not part of the identity."""


class AnswerField(Record):
    """One field that a valid answer must have."""

    name: str
    """Its key in the JSON object."""
    type: Literal["text", "number", "integer", "boolean"]
    """Its JSON type; a boolean is never a number, and a string never is one either."""
    minimum: float | None = None
    """Smallest number allowed (inclusive)."""
    maximum: float | None = None
    """Largest number allowed (inclusive)."""
    choices: tuple[str, ...] | None = None
    """The only texts allowed, where the text is a label."""
    description: str = ""
    """What the model is told about it."""

    @model_validator(mode="after")
    def _has_limits_of_its_type(self) -> Self:
        if self.choices is not None:
            if self.type != "text":
                raise ValueError(f"choices are for a text, and {self.name!r} is a {self.type}")
            if not self.choices or len(set(self.choices)) < len(self.choices):
                raise ValueError(f"the choices of {self.name!r} are none, or one stands there twice")
        limits = [limit for limit in (self.minimum, self.maximum) if limit is not None]
        if limits and self.type not in {"number", "integer"}:
            raise ValueError(f"minimum and maximum are for numbers, and {self.name!r} is a {self.type}")
        if limits != sorted(limits):
            raise ValueError(f"{self.name!r}: the minimum {limits[0]:g} is above the maximum {limits[1]:g}")
        return self


def _pairs(value: Any) -> Any:
    """A mapping as pairs, which can be hashed."""
    if isinstance(value, Mapping):
        return tuple(value.items())
    if isinstance(value, list):  # as JSON has it, which is no tuple to a strict reader
        return tuple(tuple(pair) if isinstance(pair, list) else pair for pair in value)
    return value


class AnswerSchema(Record):
    """The answer a task asks for: a JSON object (unknown keys are allowed, and listed), or a label."""

    form: Form = "json"
    """`json`: an object with the fields; `label`: a label and nothing else; `letter`: its option's letter."""
    fields: tuple[AnswerField, ...]
    """The required fields, in the order they are asked for; of a bare label one, with its choices."""
    score: str | None = None
    """The number field that is the task's score."""
    confidence: str | None = None
    """The number field (0 to 1) in which the model states its confidence."""
    label: str | None = None
    """The text field that is the task's label."""
    label_map: Annotated[tuple[tuple[Text, Text], ...], BeforeValidator(_pairs)] = ()
    """Texts that stand for a label besides its own name, with that label; in YAML a mapping."""
    label_thresholds: tuple[float, float] | None = None
    """A score below the first is `negative`, above the second `positive`, else `neutral`."""
    tolerates: tuple[Tolerance, ...] = ()
    """What a bare label may differ in: white space around it, case, a final period, quotes, brackets."""
    prefix: Text | None = None
    """How an answer that is a bare label begins, e.g. `The correct option is`."""
    prefix_as: Literal["turn", "instruction"] = "turn"
    """`turn`: the assistant's turn is begun with it for the model; `instruction`: the model is told to."""

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> Self:
        named = {field.name: field for field in self.fields}
        if self.label is not None and (self.label not in named or named[self.label].choices is None):
            raise ValueError(f"label: {self.label!r} is no text field with choices")
        if len(dict(self.label_map)) < len(self.label_map):
            raise ValueError("label_map: a text stands there twice")
        if self.form == "json":
            if self.tolerates or self.prefix:
                raise ValueError("tolerates and prefix are for the forms label and letter; remove them")
        elif list(named) != [self.label] or self.score or self.confidence:
            raise ValueError(f"the form {self.form} has one field, and that is its label")
        if self.prefix is not None and self.prefix.strip() != (self.prefix or " "):
            raise ValueError("prefix: it is blank, or has white space at an end; write the bare words")
        return self

    def field(self, name: str) -> AnswerField:
        """The field called `name`; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels an answer can be read as, in their natural order; empty where there are none."""
        if self.label is not None:
            meant = dict(self.label_map)
            choices = self.field(self.label).choices or ()
            return tuple(dict.fromkeys(meant.get(choice, choice) for choice in choices))
        return () if self.score is None or self.label_thresholds is None else SCORE_LABELS

    def label_of(self, answer: Mapping[str, Any]) -> str | None:
        """The label that a valid answer is read as; None where it is in no category.

        A score is rounded to 10 decimals first, so that 0.05 is not above 0.05 by a rounding error.
        """
        if self.label is not None:
            text: str = answer[self.label]
            return next((label for synonym, label in self.label_map if synonym == text), text)
        if self.score is None or self.label_thresholds is None:
            return None
        low, high = self.label_thresholds
        score = round(answer[self.score], 10)
        return SCORE_LABELS[0 if score < low else 2 if score > high else 1]

    @property
    def score_limits(self) -> tuple[float, float] | None:
        """Smallest and largest score the task allows; None where there is no score or either is open."""
        if self.score is None:
            return None
        field = self.field(self.score)
        if field.minimum is None or field.maximum is None:
            return None
        return field.minimum, field.maximum


class Sampling(Record):
    """How tokens are drawn. The defaults are neutral but for a low temperature."""

    temperature: float = Field(0.2, ge=0, le=5)
    """0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """1.0 is off."""
    top_k: int = Field(0, ge=0)
    """0 is off."""
    min_p: float = Field(0.0, ge=0, le=1)
    """0 is off."""
    repeat_penalty: float = Field(1.0, gt=0, le=5)
    """1.0 is off."""
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    """0 is off."""
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    """0 is off."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens in one answer."""
    context_tokens: int = Field(8192, ge=16)
    """Prompt and answer together must fit into this many tokens."""
    seed: int = Field(0, ge=0)
    """The run's seed; each sample's own seed is derived from it."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer; they are not part of it."""
    stop_on_json: bool = False
    """End an answer where its first JSON object is complete; hides what would have followed."""
    allow_greedy_repeats: bool = False
    """Decode every iteration even at temperature 0, where all of them should be equal."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.max_tokens >= self.context_tokens:
            raise ValueError(
                f"max_tokens ({self.max_tokens}) leaves no room for a prompt in context_tokens "
                f"({self.context_tokens})"
            )
        return self


# ---------------------------------------------------------------- who is asked


class ModelSpec(Record):
    """An arm: one model at one quantization on one backend, one prompt style, one output form."""

    family: Name
    """The model line, e.g. `llama3-8b`; comparisons between quantizations stay inside one."""
    variant: Name
    """`base`, `fine-tuned`, or any word that tells trainings of one family apart."""
    quant: Name
    """`q4_K_M`, `q5_K_M`, `q8_0`, `fp16`, `bf16`, `fp32`, `nf4`, `int8`, ..."""
    backend: Name
    """The backend that runs it: a name in `bench/backends/`."""
    ref: Text
    """What the backend loads: a path, a tag, or a repository reference of the backend's own form."""
    digest: str | None = None
    """`sha256:...` of what was loaded; None until it was looked at or where it cannot be known."""
    adapter: Text | None = None
    """A PEFT adapter to apply, where the backend can."""
    prompt_style: Style = "zero_shot"
    """Whether this arm sees the examples."""
    output: Output = "free"
    """`json_schema` constrains decoding to the task's schema; it is a factor, never a default."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The backend's own options, checked by the backend's options model."""
    repeat_of: str | None = None
    """For an A/A arm: id of the arm that it measures a second time, with other seeds."""

    @property
    def arm(self) -> str:
        """The arm's id: `family/variant/quant@backend`; `+style`, `+output`, `+repeat` where they apply."""
        repeat = "" if self.repeat_of is None else REPEAT_SUFFIX
        return f"{self.family}/{self.variant}/{self.quant}@{self.backend}" + self._suffix + repeat

    @property
    def group(self) -> str:
        """The id of the group this arm is compared in: everything but the quantization."""
        return f"{self.family}/{self.variant}@{self.backend}" + self._suffix

    @property
    def short_name(self) -> str:
        """What this arm is called beside the others of its group."""
        return short_name(self.quant, repeats=self.repeat_of is not None)

    @property
    def _suffix(self) -> str:
        style = "" if self.prompt_style == "zero_shot" else f"+{self.prompt_style}"
        return style + ("" if self.output == "free" else f"+{self.output}")


# ---------------------------------------------------------------- what came back

StopReason = Literal["stop", "length", "context_overflow"]


class Completion(Record):
    """What a model answered to one prompt with one seed. Timings that were not measured are None."""

    text: Text = ""
    """The whole answer as it came, always kept."""
    stop_reason: StopReason | None = None
    """`stop`: end of turn or stop text; `length`: max_tokens; `context_overflow`: refused or cut."""
    prompt_tokens: int | None = None
    """Tokens of the rendered prompt, template included."""
    cached_tokens: int | None = None
    """How many of them were not computed again for this answer."""
    completion_tokens: int | None = None
    """Tokens of the answer."""
    load_s: float | None = None
    """Seconds of model loading that this answer waited for."""
    ttft_s: float | None = None
    """Seconds from admission to the first token."""
    duration_s: float | None = None
    """Seconds from admission to the last token."""
    batch_size: int | None = None
    """Sequences that were decoded together with this one, itself included."""
    confidence: float | None = Field(None, ge=0, le=1)
    """Probability of the answer by the model itself, where it is a classifier: a bare label states none."""
    seed_sent: int | None = None
    """Seed of the request it came from, where one request gave several answers; else the sample's own."""
    error: Text | None = None
    """Why there is no answer, when the backend failed."""


class Outcome(StrEnum):
    """What became of one answer. The first two say that the measurement failed, not the model."""

    BACKEND_ERROR = "backend_error"
    CONTEXT_OVERFLOW = "context_overflow"
    EMPTY = "empty"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    VALID = "valid"
    TRUNCATED = "truncated"
    FENCED = "fenced"
    EXTRA_TEXT = "extra_text"
    NOT_JSON = "not_json"
    NO_CATEGORY = "no_category"


FAILED_MEASUREMENTS = frozenset({Outcome.BACKEND_ERROR, Outcome.CONTEXT_OVERFLOW})
"""Outcomes that are counted apart and never stand in the denominator of a valid rate."""


class Verdict(Record):
    """The judgement of one answer."""

    outcome: Outcome
    """The first of the outcomes, in the order of `bench.validation`, that fits."""
    answer: dict[str, Any] | None = None
    """The parsed object when the outcome is `valid`; of a bare answer the label, under its field's name."""
    recoverable: bool = False
    """Whether a lenient reader would have got a right-shaped answer; never counted as valid."""
    errors: tuple[str, ...] = ()
    """What is wrong, one sentence each."""
    unknown_keys: tuple[str, ...] = ()
    """Keys that the schema does not name."""


class Sample(Record):
    """One answer with its judgement: one line of `samples/<arm>.jsonl`."""

    run_id: str
    """The run it belongs to."""
    arm: str
    """Id of the arm."""
    prompt_id: str
    """Id of the prompt."""
    article_id: str
    """Id of the article."""
    iteration: int = Field(ge=0)
    """Which repeat, from 0."""
    seed: int
    """The seed it was drawn with."""
    completion: Completion
    """What came back."""
    verdict: Verdict
    """What it was judged to be."""

    @property
    def key(self) -> tuple[str, str, int]:
        """What is unique in a run: (arm, prompt_id, iteration)."""
        return self.arm, self.prompt_id, self.iteration


# ---------------------------------------------------------------- what was done


class TokenSpeed(Record):
    """What an engine computed for one arm, and how long it took; prompts and answers apart."""

    prefill_tokens: int = 0
    """Prompt tokens that were computed; what was shared counts once."""
    prefill_s: float = 0.0
    """Seconds it took."""
    decode_tokens: int = 0
    """Tokens of answers."""
    decode_s: float = 0.0
    """Seconds it took, sampling included."""

    @property
    def prefill_tokens_per_s(self) -> float | None:
        """None where nothing was computed."""
        return self.prefill_tokens / self.prefill_s if self.prefill_s > 0 else None

    @property
    def decode_tokens_per_s(self) -> float | None:
        """None where nothing was computed."""
        return self.decode_tokens / self.decode_s if self.decode_s > 0 else None

    def plus(self, other: TokenSpeed | None) -> TokenSpeed:
        """Both together."""
        if other is None:
            return self
        mine, theirs = self.model_dump(), other.model_dump()
        return TokenSpeed(**{name: value + theirs[name] for name, value in mine.items()})


class LoadedModel(Record):
    """What a backend found when it opened an arm; stored in the manifest."""

    digest: str | None = None
    """`sha256:...` of the weights."""
    file_bytes: int | None = None
    """Size of the model on disk."""
    load_s: float | None = None
    """Seconds to load, apart from every answer."""
    peak_memory_bytes: int | None = None
    """Highest resident memory of the process while the arm ran, where measured."""
    speed: TokenSpeed | None = None
    """What the engine computed and how fast, where it tells."""
    engine: str = ""
    """Engine and version, e.g. `llama-cpp-python 0.3.36`."""
    notes: tuple[str, ...] = ()
    """What happened while it answered that a reader has to know, e.g. a server that was set aside."""
    details: dict[str, Any] = Field(default_factory=dict)
    """What else identifies it: architecture, trained context, template hash, options in force."""


class Fidelity(Record):
    """How close one arm's token probabilities are to its baseline's, on the run's own articles."""

    arm: str
    """Its id."""
    baseline: str
    """The arm it is compared with: its group's fp16, else bf16, else fp32."""
    n_articles: int
    """Articles that were looked at: those the baseline answered."""
    n_positions: int
    """Tokens of these articles and answers; each is one comparison of two distributions."""
    n_answer_tokens: int
    """Tokens of the baseline's answers among them."""
    kl_mean: float
    """Mean of KL(baseline || arm) over positions, in nats."""
    kl_p99: float
    """Its 99th percentile."""
    top1_agreement: float
    """Share of positions at which both find the same token likeliest."""
    perplexity_of_baseline: float
    """exp of the arm's mean surprise at the tokens of the baseline's answers."""
    kl_by_article: dict[str, float] = Field(default_factory=dict)
    """Mean KL of each article's positions, by article id."""


class ArmRecord(Record):
    """An arm in the manifest: what was asked for and what was loaded."""

    arm: str
    """Its id."""
    spec: ModelSpec
    """What was asked for."""
    loaded: LoadedModel | None = None
    """What was loaded; None until the arm was opened."""
    n_decoded: int = 0
    """Answers decoded so far."""
    decode_s: float = 0.0
    """Seconds they took together, loading left out; with `n_decoded` it gives the throughput."""
    n_after_resume: int = 0
    """Samples decoded after the first resume or extension: they may differ from an unbroken run's at
    near-ties."""
    n_before_resume: int | None = None
    """Samples that were there at the first resume or extension; None where there was none."""
    iterations: int | None = None
    """Answers to each article where not as many as in the run: 1 of an arm that always answers alike."""
    source_name: str | None = None
    """The folder it was imported from, where it was."""


class Revision(Record):
    """One change of a run after it was made: a resume or an extension."""

    at: datetime
    """When (UTC)."""
    kind: Literal["created", "resumed", "extended"]
    """What happened."""
    added: dict[str, Any] = Field(default_factory=dict)
    """What was added: arms, article ids, iterations."""
    n_samples_before: int = 0
    """Samples on disk when it began."""


class Manifest(Record):
    """Everything needed to say what a run measured, and to measure it again."""

    schema_version: int = SCHEMA_VERSION
    """Version of the run folder's files."""
    run_id: str
    """Name of the run's folder."""
    bench_version: str
    """Version of this program when the run was made."""
    config: dict[str, Any]
    """The resolved config."""
    task: dict[str, Any]
    """The task as used: name, version, digest, answer schema, labels."""
    provenance: dict[str, Any]
    """Git commit, package versions, hardware."""
    article_ids: tuple[str, ...]
    """The frozen articles, in order; their texts are in `articles.jsonl`."""
    iterations: int
    """Repeats per arm and article."""
    arms: tuple[ArmRecord, ...]
    """The arms, in order."""
    decode_width: int = 1
    """Answers decoded together, the same for all arms."""
    revisions: tuple[Revision, ...] = ()
    """What was added when."""
    started_at: datetime
    """When the run was made (UTC)."""
    finished_at: datetime | None = None
    """When its last sample was written (UTC); None while some are missing."""
    status: Literal["running", "interrupted", "failed", "finished"] = "running"
    """Where it stands."""

    @property
    def specs(self) -> tuple[ModelSpec, ...]:
        """What the arms are, in order."""
        return tuple(record.spec for record in self.arms)

    @property
    def n_expected_samples(self) -> int:
        """Samples in the whole run."""
        n_iterations = sum(record.iterations or self.iterations for record in self.arms)
        return len(self.article_ids) * n_iterations


# ---------------------------------------------------------------- what was decided

QuestionVerdict = Literal["pass", "fail", "not_enough_data", "not_testable"]
ArmVerdict = Literal["pass", "fail", "not_enough_data", "measurement_invalid", "baseline"]


class GateAnswer(Record):
    """What the gate found on one question about one arm."""

    estimate: float | None = None
    """The best single value, in `unit`; None where it is undefined."""
    lower: float | None = None
    """One-sided 95 % lower bound."""
    upper: float | None = None
    """One-sided 95 % upper bound."""
    margin: float | None = None
    """What the bounds are held against, in `unit`."""
    verdict: QuestionVerdict
    """`not_enough_data`: the bounds straddle the margin; `not_testable`: there are no bounds."""
    reason: str
    """Why, in plain words, and for `not_enough_data` what would settle it."""
    unit: str = ""
    """`rate` (0 to 1), `score`, `ratio` or `score squared`."""
    p_value: float | None = None
    """One-sided p at the margin; None where undefined or where the interval has no width."""
    n_articles_needed: int | None = None
    """Articles like these that would settle this question; None if settled or if none would."""
    n_iterations_needed: int | None = None
    """Iterations on the same articles that would settle this question; None as above."""
    applies: bool = True
    """False: the task has nothing of the kind (no score, no labels), so no verdict waits for it."""


class GateArm(Record):
    """One arm before the gate."""

    arm: str
    """Its id."""
    verdict: ArmVerdict
    """The worst in the order measurement_invalid, fail, not_enough_data, pass; or `baseline`."""
    baseline: str | None = None
    """The arm it is compared with; None where it has none or is one."""
    reasons: tuple[str, ...] = ()
    """What decided the verdict, one sentence each."""
    questions: dict[str, GateAnswer]
    """By question, in the gate's order."""
    n_articles: int = 0
    """Articles that it and its baseline answered."""
    n_articles_needed: int | None = None
    """Articles that would settle the mean's margin with power .80 (as in `pairs.csv`)."""
    n_iterations_needed: int | None = None
    """Iterations on the same articles that would do so; None where no number would."""
    p_gate: float | None = None
    """The largest p of its questions: the error rate of calling this arm passed."""
    p_family: float | None = None
    """The same, Holm-adjusted for all candidates of this reading."""
    valid_rate: float | None = None
    """Its own valid rate."""
    duration_mean_s: float | None = None
    """Seconds of an answer."""
    seconds_per_valid: float | None = None
    """Seconds paid for one valid answer."""
    latency_ratio: float | None = None
    """Seconds of an answer relative to the baseline's."""
    file_bytes: float | None = None
    """Size of the model on disk."""
    peak_memory_bytes: float | None = None
    """Highest resident memory while it ran."""
    rank: int | None = None
    """Place among the arms that pass: by seconds per valid answer, then size, then memory."""


class GateResult(Record):
    """What `gate.json` holds: the verdict on every arm of a run."""

    schema_version: int = 1
    """Version of this record."""
    run_id: str
    """The run that was judged."""
    baseline: str | None
    """The baseline's arm; where groups have several, the quant they share; None where they share none."""
    margins: dict[str, float]
    """The config's `gate:` section; what it does not ask (`accuracy_floor` by default) is not in it."""
    exit_code: int
    """0 pass, 1 fail, 3 not enough data, 4 measurement invalid: the worst candidate's."""
    looks: int = 0
    """How often the gate of this run was read before this time."""
    looks_at_less_data: int = 0
    """How many of those readings had fewer samples: stopping when it pleases raises the error rate."""
    family_wise: bool = False
    """Whether passing needs the Holm-adjusted p."""
    asked: dict[str, str] = Field(default_factory=dict)
    """Each question in plain words, by its name."""
    notes: tuple[str, ...] = ()
    """What a reader must know besides."""
    arms: tuple[GateArm, ...]
    """Candidates and their baselines, in the run's order."""
