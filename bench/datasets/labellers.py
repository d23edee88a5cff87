"""What a recipe says of labelling by models: who is asked, how, how fast, and at what price.

In: the recipe's `labelling` section. Out: records. Nothing here asks anybody; a key is named by its
environment variable, inside a labeller's options, and stands in no file.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from bench.records import ModelSpec, Name, Output, Record, Sampling, Style, Text


class Price(Record):
    """What a million tokens cost, in the section's currency."""

    prompt: float = Field(ge=0)
    """Tokens that are read."""
    completion: float = Field(ge=0)
    """Tokens that are written."""
    cached: float | None = Field(None, ge=0)
    """Tokens that the server knew already; as `prompt` where it is not said."""


class Limits(Record):
    """How fast a labeller may be asked; none where it is not said."""

    requests_per_min: int | None = Field(None, ge=1)
    """Requests in any 60 seconds, those that fail included."""
    tokens_per_min: int | None = Field(None, ge=1)
    """Tokens in any 60 seconds: the prompt's, and as many as an answer may have."""


class Labeller(Record):
    """One model that is asked."""

    name: Name
    """What the card calls it."""
    model: Text
    """What its backend loads or its server calls it."""
    backend: Name = "openai_api"
    """Any server with OpenAI's interface; or another backend, for an arm of one's own."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The backend's options: base_url, api_key_env, concurrency, timeout_s, retries, ..."""
    output: Output = "free"
    """`json_schema` where the server can hold answers to the task's schema."""
    price: Price | None = None
    """None: no cost is told."""
    limits: Limits = Limits()
    """None: as fast as it answers."""
    batch: bool = False
    """Ask in batches (OpenAI's /files and /batches): slower, and cheaper where it is offered."""

    @model_validator(mode="after")
    def _can_ask_in_batches(self) -> Self:
        if self.batch and self.backend != "openai_api":
            raise ValueError("batch: only servers with OpenAI's interface take batches")
        return self

    @property
    def spec(self) -> ModelSpec:
        """The labeller as an arm."""
        return ModelSpec(
            family=self.name,
            variant="labeller",
            quant="served",
            backend=self.backend,
            ref=self.model,
            output=self.output,
            options=self.options,
        )


class Labelling(Record):
    """The section."""

    labellers: tuple[Labeller, ...] = Field(min_length=1)
    """Who is asked, in rotation."""
    per_item: int = Field(1, ge=1)
    """How many of them are asked about each item."""
    shared: float = Field(0.0, ge=0, le=1)
    """Share of the items that all of them are asked about, so that their agreement is known."""
    style: Style = "few_shot"
    """Whether the task's examples are in the prompts."""
    sampling: Sampling = Sampling(temperature=0.0)
    """How answers are drawn."""
    attempts: int = Field(3, ge=1, le=20)
    """How often an item is asked about until its answer is valid by the task's schema."""
    budget: float | None = Field(None, gt=0)
    """Most that all answers may cost; nothing is asked any more when it is spent."""
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    """Of prices and budget."""
    poll_s: float = Field(30.0, gt=0, le=3600)
    """Seconds between two looks at a batch."""

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> Self:
        names = [labeller.name for labeller in self.labellers]
        if len(set(names)) < len(names):
            raise ValueError("labellers: a name is there twice")
        if self.per_item > len(names):
            raise ValueError(f"per_item: there are {len(names)} labellers")
        if self.budget is not None and any(labeller.price is None for labeller in self.labellers):
            raise ValueError("budget: every labeller needs a `price`")
        return self
