"""Training on raw text: going on with a base, or a small base from nothing.

    method: {kind: pretraining}                                             # the recipe's base reads on
    method: {kind: pretraining, architecture: llama, hidden: 256, layers: 4, vocabulary: 8192}

In: a Job whose data are documents (`texts`). Out: a whole model and its tokenizer. Causal models learn the
next token, masked ones (DistilBERT and its like) the tokens that are hidden. Documents are packed whole
into blocks of `trainer.max_tokens`. It sees no task and none of its labels; what `news` and
`conversations` add is generated.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from bench.records import Record
from bench.training.methods import Job, Trained

NEEDS_BASE = False
NEEDS_CHAT = False
_LEARNS = {"llama": "causal", "gpt2": "causal", "opt": "causal", "distilbert": "masked"}


class Options(Record):
    """What is read, and by what."""

    architecture: Literal["llama", "gpt2", "distilbert", "opt"] | None = None
    """A new model of this kind; None goes on with the recipe's base, whose sizes are its own."""
    vocabulary: int = Field(8192, ge=300, le=262_144)
    """Tokens of a new model, learnt from the very documents."""
    hidden: int = Field(256, ge=16, le=16_384)
    """Width of a new model."""
    intermediate: int | None = Field(None, ge=16, le=65_536)
    """Width of its feed-forward layers; None is three times `hidden` for llama, four times for others."""
    layers: int = Field(4, ge=1, le=128)
    """Its layers."""
    heads: int = Field(4, ge=1, le=128)
    """Its attention heads."""
    context_tokens: int = Field(1024, ge=32, le=131_072)
    """Longest text it can read."""
    initial_std: float = Field(0.02, gt=0, le=1)
    """Standard deviation of its first random weights."""
    mask: float = Field(0.15, gt=0, lt=1)
    """Masked models: share of tokens to be guessed."""
    news: int = Field(0, ge=0, le=1_000_000)
    """Generated business news mixed in, each with what it means for its company."""
    conversations: int = Field(0, ge=0, le=1_000_000)
    """Generated conversations mixed in, so that a new llama knows turns; their forms are made up."""
    matrix_rate: float | None = Field(None, gt=0, le=1)
    """Highest rate of the layers' matrices, then trained by Muon; `trainer.rate` is that of all else."""
    decision_weight: float = Field(1.0, gt=0, le=100)
    """Causal models: weight of the tokens in which a side is taken; every other token weighs 1."""
    decision_tokens: int = Field(2, ge=1, le=64)
    """How many these are: the first of an assistant's turn, or of the last of a document's lines."""
    objective: Literal["causal", "masked"] | None = None
    """Next token, or hidden tokens; None is what the architecture is for."""

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> Self:
        if self.hidden % self.heads or (self.hidden // self.heads) % 2:
            raise ValueError("hidden must be an even multiple of heads")
        if self.conversations and self.architecture != "llama":
            raise ValueError("conversations need architecture: llama; no other new tokenizer knows turns")
        if self.decision_weight != 1 and "masked" in (self.objective, _LEARNS.get(str(self.architecture))):
            raise ValueError("decision_weight needs a causal model; a masked one guesses at random places")
        wanted = _LEARNS.get(str(self.architecture), self.objective)
        if self.objective not in (None, wanted):
            raise ValueError(f"a new {self.architecture} learns the {wanted} objective")
        return self


def train(job: Job) -> Trained:
    """Train on the job's documents."""
    from bench.training.raw_text import fit

    options = job.options
    assert isinstance(options, Options)
    return fit(job, options)
