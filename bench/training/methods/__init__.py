"""Ways to make a model out of a base and examples: one file each, and the file's name is its `kind`.

A method is a module with

    Options       a frozen record: what the recipe's `method:` may say besides `kind`
    NEEDS_BASE    whether it starts from a base model
    NEEDS_CHAT    whether examples are shown to it in turns, so that the base must have a chat template
                  (left out: they are not)
    UNSLOTH       whether it can be trained through Unsloth (left out: it cannot)
    train(job) -> Trained

In: a Job. Out: a Trained: files below `job.out`, the fields of the arm that they are, and what the card
tells. A method renders no prompt and judges no answer: the examples come with both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from bench import plugins
from bench.records import Record

if TYPE_CHECKING:
    from bench.training.display import TrainingProgress
    from bench.training.tuning_recipe import TrainerOptions

ROOM = "training.methods"


class Turn(NamedTuple):
    """One turn of a prompt."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


class Example(NamedTuple):
    """One item, with what a model should make of it."""

    id: str
    """The article's id."""
    task: str
    """Name of the task it belongs to."""
    text: str
    """The item's own text, which a classification head reads."""
    turns: tuple[Turn, ...]
    """The prompt, as the task writes it."""
    answer: str
    """The completion that is learnt."""
    label: str | None
    """The right label, where known."""


class Data(NamedTuple):
    """What is learnt from."""

    train: tuple[Example, ...]
    """Shuffled by the recipe's seed; where tasks are introduced gradually, in the order to be kept."""
    validation: tuple[Example, ...]
    """Held out for early stopping; never the test items."""
    texts: tuple[str, ...]
    """Raw documents, every token of which is learnt: all there is where no task is learnt, else as many as
    are mixed in against forgetting."""
    validation_texts: tuple[str, ...]
    """Raw documents that are held out."""
    labels: dict[str, tuple[str, ...]]
    """By task: its labels in their order."""
    keep_order: bool = False
    """Whether `train` must not be shuffled (tasks introduced gradually)."""


class Job(NamedTuple):
    """One training."""

    options: Record
    """The method's own Options."""
    trainer: TrainerOptions
    """What all trainings have: epochs, rate, schedule, ..."""
    base: Path | None
    """Folder of the base model in transformers' form; None for methods that need none."""
    data: Data
    out: Path
    """An empty folder for the result."""
    work: Path
    """A folder for checkpoints, kept until the training is done."""
    seed: int
    progress: TrainingProgress


class TaskModel(NamedTuple):
    """The model of one task, where a training leaves one for each."""

    ref: Path
    adapter: Path | None
    options: dict[str, Any]
    """As in Trained."""


class Trained(NamedTuple):
    """What a training left."""

    ref: Path
    """What an arm loads: a model folder."""
    adapter: Path | None
    """The PEFT adapter to be applied to it."""
    quant: str
    """At what quantization the arm runs: `fp32`, `nf4`, `int8`, ..."""
    options: dict[str, Any]
    """Options of the backend `hf` for the arm, such as head and labels."""
    facts: dict[str, Any]
    """For the card: trainable and all parameters, steps, losses, tokens_per_s, peak_memory_bytes, seconds."""
    tasks: dict[str, TaskModel] = {}  # noqa: RUF012 - nothing writes into it
    """By task, for methods whose model answers one task alone: ref, adapter and options are the first task's,
    and the arm has these for each of them (`arm.json`: `tasks`). Empty where one model answers all."""


class Method(Protocol):
    """What a method's module offers."""

    Options: ClassVar[type[Record]]
    NEEDS_BASE: ClassVar[bool]

    @staticmethod
    def train(job: Job) -> Trained:
        """Make the model."""


def names() -> tuple[str, ...]:
    """The methods there are."""
    return plugins.names(ROOM)


def load(name: str) -> Method:
    """A method by its kind."""
    return plugins.load(ROOM, name)  # type: ignore[return-value]
