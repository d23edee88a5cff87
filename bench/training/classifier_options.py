"""What a recipe may say of every classifier: how items are read, weighed and calibrated.

In: a recipe's `method`. Out: a frozen record. It loads no torch, so that recipes are checked without it.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from bench.records import Record, Text


class ClassifierOptions(Record):
    """What every method has that trains a classifier."""

    input: Literal["text", "instruction"] = "text"
    """What is read: the item's text alone, or an instruction, an empty line and the text."""
    instruction: Text | dict[str, Text] | None = None
    """The instruction (by task where there are several); None takes the task's system message."""
    truncate: bool = False
    """Cut training texts to `max_tokens` instead of leaving longer ones out; an evaluation never cuts."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of an example's weight that is spread over all labels."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: an example weighs the more, the rarer its label is among those of its task."""
    calibrate: bool = True
    """Divide each task's logits by the temperature that fits its validation side best (Guo et al. 2017),
    labels weighing as in training."""

    @model_validator(mode="after")
    def _reads_its_instruction(self) -> Self:
        if self.instruction is not None and self.input == "text":
            raise ValueError("instruction needs input: instruction; without it nothing would read it")
        return self
