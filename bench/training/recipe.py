"""What a training does: the recipe file, checked.

In: a YAML file. Out: a frozen Recipe, or a ConfigError that names file, field and what is allowed.
It starts nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from bench.errors import ConfigError
from bench.records import Name, Record

Quant = Literal["q4_K_M", "q5_K_M", "q8_0", "fp16"]
_ENDS = ("embed_tokens", "lm_head")


class TokenizerRecipe(Record):
    """The vocabulary."""

    tokens: int = Field(4096, ge=512, le=65536)
    """Size of the vocabulary, special tokens included."""
    characters: int = Field(2_000_000, ge=10_000, le=10**9)
    """Characters of generated text it is learnt from."""


class Architecture(Record):
    """The shape of the Llama model."""

    hidden: int = Field(256, ge=256, le=8192, multiple_of=256)
    """Width; K-quants need rows of a multiple of 256."""
    intermediate: int = Field(768, ge=256, le=32768, multiple_of=256)
    """Width of the feed-forward layers."""
    layers: int = Field(6, ge=1, le=128)
    """Number of layers."""
    heads: int = Field(4, ge=1, le=128)
    """Attention heads."""
    kv_heads: int = Field(2, ge=1, le=128)
    """Heads of keys and values."""
    context_tokens: int = Field(4096, ge=256, le=131072)
    """Longest context that the model declares."""
    rope_theta: float = Field(10000.0, gt=0)
    """Base of the rotary position angles."""
    initial_std: float = Field(0.03, gt=0, le=1)
    """Standard deviation of the first random weights."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise ValueError("hidden must be a multiple of heads, and heads of kv_heads")
        return self


class Phase(Record):
    """A part of the base's training with sequences of one length."""

    sequence_tokens: int = Field(ge=16, le=32768)
    """Tokens in one sequence."""
    sequences_per_step: int = Field(ge=1, le=1024)
    """Sequences in one step."""
    tokens: int = Field(ge=64)
    """Tokens of this phase in all."""
    conversations: float = Field(0.5, ge=0, le=1)
    """Share of the sequences that begin with a conversation."""
    marks: float = Field(0.0, ge=0, le=1)
    """Share of one-word answers among the conversations about notes."""
    general: float = Field(0.3, ge=0, le=1)
    """Share of general prose among the plain documents."""


class BaseRecipe(Record):
    """Training from scratch."""

    phases: tuple[Phase, ...] = Field(min_length=1)
    """The phases, in order."""
    matrix_rate: float = Field(0.02, gt=0, le=1)
    """Highest learning rate of the matrices (Muon)."""
    other_rate: float = Field(0.004, gt=0, le=1)
    """Highest learning rate of embedding and norms (AdamW)."""
    answer_weight: float = Field(3.0, ge=0, le=100)
    """Weight of an answer's token in a conversation; every other token weighs 1."""
    momentum: float = Field(0.95, ge=0, lt=1)
    """Of Muon."""
    weight_decay: float = Field(0.0, ge=0, le=1)
    """Of the matrices."""
    warmup: float = Field(0.05, ge=0, le=1)
    """Share of the steps in which the rate rises."""
    floor: float = Field(0.05, ge=0, le=1)
    """Share of the rate that is left at the end."""
    checkpoint_steps: int = Field(25, ge=1)
    """Steps between checkpoints."""


class LoraRecipe(Record):
    """The fine-tune."""

    examples: int = Field(ge=1)
    """Generated examples."""
    steps: int = Field(ge=1)
    """Training steps."""
    examples_per_step: int = Field(8, ge=1, le=1024)
    """Examples in one step."""
    notes: float = Field(0.3, ge=0, le=1)
    """Share of examples that are one fact only, without a headline."""
    decision_tokens: int = Field(8, ge=0)
    """How many of an answer's first tokens weigh more: there the side is taken."""
    decision_weight: float = Field(4.0, gt=0, le=100)
    """What they weigh; every other token of an answer weighs 1."""
    longest_words: int = Field(450, ge=20, le=2000)
    """Longest article, in words."""
    r: int = Field(32, ge=1, le=1024)
    """Rank of the adapter."""
    alpha: int = Field(64, ge=1)
    """Its scale: alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Layers that get an adapter."""
    modules_to_save: tuple[str, ...] = ()
    """Layers that are trained whole."""
    rate: float = Field(0.002, gt=0, le=1)
    """Highest learning rate (AdamW)."""
    weight_decay: float = Field(0.0, ge=0, le=1)
    """Of the adapter."""
    warmup: float = Field(0.05, ge=0, le=1)
    """Share of the steps in which the rate rises."""
    floor: float = Field(0.02, ge=0, le=1)
    """Share of the rate that is left at the end."""
    checkpoint_steps: int = Field(25, ge=1)
    """Steps between checkpoints."""

    @field_validator("targets")
    @classmethod
    def _is_inside(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if found := [name for name in names if _is_end(name)]:
            # embeddings and head share their weights: merged into them, an adapter of one would change both
            raise ValueError(f"{found[0]} takes no adapter; put it into modules_to_save")
        return names

    @property
    def trains_ends(self) -> bool:
        """Whether embeddings and head, which are one weight, are trained whole."""
        return any(_is_end(name) for name in self.modules_to_save)


class Recipe(Record):
    """One training: tokenizer, base, fine-tune, files."""

    family: Name
    """Name of the model line; its files go to a folder of this name."""
    description: str = ""
    """One line for `bench train --list`."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Everything random follows from it."""
    task: str = "financial_news"
    """The task that the fine-tune is for."""
    tokenizer: TokenizerRecipe = TokenizerRecipe()
    architecture: Architecture = Architecture()
    base: BaseRecipe
    lora: LoraRecipe
    quants: tuple[Quant, ...] = ("q4_K_M", "q5_K_M", "q8_0", "fp16")
    """The files made of each variant; fp16 is always made."""


def _is_end(name: str) -> bool:
    return name.rpartition(".")[2] in _ENDS


def load_recipe(path: Path) -> Recipe:
    """The recipe of a file. ConfigError says what is wrong with it."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Recipe.model_validate(data)
    except OSError as error:
        raise ConfigError(
            f"recipe {path}: {error.strerror}; give a readable file or a preset's name"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"recipe {path}: not UTF-8 text") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"recipe {path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise ConfigError(f"recipe {path}: {where}: {first['msg']}") from error
