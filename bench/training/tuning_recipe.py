"""What `bench train` makes out of a base and a data set: the recipe file, checked, mistakes with their lines.

    name: phrasebank
    task: phrasebank
    data: {recipe: recipes/data/phrasebank.yaml, per_label: {train: 300, test: 300}}
    base: {ref: hf://owner/model, revision: ...}
    trainings:
      - name: qlora
        method: {kind: qlora, r: [8, 16], alpha: 16}
        trainer: {epochs: 3, rate: 2.0e-4}
      - {name: lstm, method: {kind: lstm}}

In: a YAML file. Out: a TuningRecipe, or a ConfigError with file and line of every mistake. A list where
a method's or a trainer's field holds one value is a sweep: one training for each value, each an arm. It
opens no data and loads no model. A recipe that makes a model from nothing is `recipe.Recipe`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, JsonValue

from bench.records import Name, Record, Text

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,69}$"
"""Short enough that a suffix leaves it a name."""


class PerLabel(Record):
    """Items of each label; fewer where the data hold fewer (said)."""

    train: int | None = Field(None, ge=1)
    """For training; None takes all."""
    test: int | None = Field(None, ge=1)
    """For the evaluation; None takes all."""
    validation: int | None = Field(None, ge=1)
    """For early stopping; None takes all."""


class DataOptions(Record):
    """The examples of one task."""

    recipe: Text | None = None
    """A recipe of data (`bench data build`), which is built where it is not there yet."""
    set: Text | None = None
    """Instead: a data set in `datasets/`, by its name."""
    bundled: Text | None = None
    """A recipe of data over files of bench itself, for where those of `recipe` are missing (said)."""
    task: Text | None = None
    """The task; None takes the recipe's."""
    per_label: PerLabel = PerLabel()
    """How many items of each label."""


class GeneralText(Record):
    """Raw text: what continued pre-training reads, what is mixed in, what forgetting is measured on."""

    files: tuple[Text, ...] = ()
    """UTF-8 files, one document a blank-line-separated paragraph; below --data-root."""
    bundled: bool = True
    """Take bench's own sample where the files are missing (said)."""
    share: float = Field(0.0, ge=0, lt=1)
    """Share of training sequences that are general text: a cure for forgetting."""


class BaseOptions(Record):
    """Where the base model comes from: one of the three."""

    ref: Text | None = None
    """A folder in transformers' form, or `hf://owner/repo`."""
    revision: Text | None = None
    """The commit of a hub repository."""
    recipe: Text | None = None
    """Another recipe, relative to this file, whose last training is the base; it is made if missing."""
    chat_template: Text | None = None
    """A Jinja file (or a name of ours) for a base without one; tokens it needs are added if missing."""


class TrainerOptions(Record):
    """What every training has; each is honoured, or refused by methods that cannot."""

    epochs: float = Field(3.0, gt=0, le=1000)
    """Times the data are seen; `steps` wins."""
    steps: int | None = Field(None, ge=1)
    """Optimizer steps instead of epochs."""
    batch_size: int = Field(8, ge=1, le=4096)
    """Sequences computed together."""
    accumulation: int = Field(1, ge=1, le=4096)
    """Batches to one optimizer step."""
    rate: float = Field(2e-4, gt=0, le=1)
    """Highest learning rate."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate falls after the warm-up."""
    warmup: float = Field(0.03, ge=0, lt=1)
    """Share of the steps in which it rises."""
    weight_decay: float = Field(0.0, ge=0, le=1)
    """AdamW's."""
    clip: float = Field(1.0, ge=0)
    """Largest norm of the gradient; 0 is off."""
    optimizer: Literal["adamw", "paged_adamw_8bit", "paged_adamw"] = "adamw"
    """Paged ones need a GPU."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Mixed precision; fp16 needs a GPU."""
    max_tokens: int = Field(512, ge=8, le=1_000_000)
    """Longest sequence, never more than the base reads; a longer example is left out (counted), never cut."""
    packing: bool = False
    """Several examples in one sequence; refused where they would see each other."""
    group_by_length: bool = True
    """Batches of like lengths."""
    gradient_checkpointing: bool = False
    """Compute activations again instead of keeping them."""
    evaluate: bool = True
    """Loss on the validation side after every epoch."""
    patience: int | None = Field(None, ge=1)
    """Stop after so many epochs without a better validation loss, and keep the best; None trains on."""
    save_steps: int | None = Field(None, ge=1)
    """Steps between checkpoints; None saves after every epoch."""
    report_to: tuple[Literal["tensorboard", "trackio"], ...] = ()
    """Where curves go besides the log: to `curves/` beside the model, or to trackio's own place."""
    unsloth: bool = False
    """Load and train through Unsloth, where it and a GPU are there; else refused."""


class Training(Record):
    """One training, or a sweep of them."""

    name: Name
    """The variant in the arm's name."""
    method: dict[str, JsonValue]
    """`kind` and the method's options; a list for a single value is a sweep."""
    trainer: dict[str, JsonValue] = Field(default_factory=dict)
    """TrainerOptions; a list for a single value is a sweep."""


class EvaluationOptions(Record):
    """What is measured after the trainings, beside the trained arms."""

    untuned: tuple[Literal["zero_shot", "few_shot"], ...] = ("zero_shot", "few_shot")
    """The base as it is, in these styles."""
    max_tokens: int = Field(32, ge=1)
    """Longest answer."""
    width: int = Field(16, ge=1, le=256)
    """Answers decoded together."""
    forgetting: GeneralText | None = None
    """Text on which the perplexity before and after is compared; None takes bench's own sample."""
    forgetting_documents: int = Field(200, ge=2)
    """At most so many documents of it, evenly taken; they are the unit of the comparison."""
    other_task: DataOptions | None = None
    """A task that is not trained: its accuracy before and after."""


class TuningRecipe(Record):
    """The whole recipe."""

    name: str = Field(pattern=NAME)
    """The family of its arms (with `-scratch` of those without the base), and the folder in `models/`."""
    description: str = ""
    """One line for `bench train --list`."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Everything random follows from it."""
    task: Text | None = None
    """The task that is learnt; None for text alone."""
    data: tuple[DataOptions, ...] = ()
    """The examples: one such section, or a list of them, which is several tasks."""
    introduce: Literal["together", "gradually"] = "together"
    """Several tasks: mixed from the start, or one after the other with a part of the earlier ones kept in."""
    rehearsed: float = Field(0.2, ge=0, lt=1)
    """Gradually: the share of each later task's turn that is earlier tasks again."""
    general_text: GeneralText | None = None
    """Raw text that is learnt or mixed in."""
    base: BaseOptions | None = None
    """The model that is trained; None where no method needs one."""
    trainings: tuple[Training, ...] = Field(min_length=1)
    """What is made of it."""
    evaluation: EvaluationOptions = EvaluationOptions()
    """What is measured in the end."""


def is_tuning(data: Any) -> bool:
    """Whether a recipe's plain data are of this kind rather than `recipe.Recipe`'s."""
    return isinstance(data, dict) and "trainings" in data
