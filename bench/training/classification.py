"""What a classifier learns from: items as tokens, the meaning of its outputs, and the loss over them.

In: examples with labels. Out: rows of token ids with the number of an output, and their loss. Several tasks
are trained together in one model: the outputs of each stand side by side in one linear layer, above one
shared encoder, and an example bears loss over its own task's outputs alone. No model is loaded here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from torch import Tensor

from bench.classifiers.reading import shown, token_ids
from bench.errors import ConfigError
from bench.training.classifier_options import ClassifierOptions
from bench.training.methods import Data, Example


class Outputs(NamedTuple):
    """The outputs of a head, task after task."""

    labels: dict[str, tuple[str, ...]]
    """By task: its labels in their order."""

    @property
    def n(self) -> int:
        """All outputs."""
        return sum(map(len, self.labels.values()))

    def span(self, task: str) -> tuple[int, int]:
        """First output of a task, and the one after its last."""
        start = 0
        for name, labels in self.labels.items():
            if name == task:
                return start, start + len(labels)
            start += len(labels)
        raise KeyError(task)

    def place(self, example: Example) -> int | None:
        """The output of an example's label; None where it has none."""
        if example.label is None:
            return None
        if example.label not in self.labels[example.task]:
            known = ", ".join(self.labels[example.task])
            raise ConfigError(
                f"example {example.id} of the task {example.task}: its label {example.label!a} is none of "
                f"{known}"
            )
        return self.span(example.task)[0] + self.labels[example.task].index(example.label)


class Rows(NamedTuple):
    """Examples as a model reads them, and what was left out."""

    rows: list[dict[str, Any]]
    """input_ids, attention_mask, labels (the number of an output)."""
    n_unlabelled: int
    n_too_long: int
    n_cut: int
    n_blank: int
    """Texts in which the tokenizer finds nothing."""

    @property
    def left_out(self) -> dict[str, int]:
        """Why examples are missing, and how many were cut; only what happened."""
        named = zip(("unlabelled", "too_long", "cut", "blank"), self[1:], strict=True)
        return {name: n for name, n in named if n}


def outputs(data: Data) -> Outputs:
    """The outputs that the data ask for; ConfigError where they have no labels."""
    tasks = _tasks(data)
    if not tasks:
        raise ConfigError("a classifier learns from examples, and the recipe has none; set task and data")
    missing = [task for task in tasks if len(data.labels.get(task, ())) < 2]
    if missing:
        raise ConfigError(
            f"the task {missing[0]} has fewer than two labels, so there is nothing to classify; "
            "train a model that writes (full, lora, qlora)"
        )
    return Outputs({task: tuple(data.labels[task]) for task in tasks})


def _tasks(data: Data) -> list[str]:
    """The tasks that are learnt, in the recipe's order."""
    learnt = dict.fromkeys(example.task for example in data.train)
    named = [task for task in data.labels if task in learnt]
    return [*named, *(task for task in learnt if task not in data.labels)]


def instructions(options: ClassifierOptions, data: Data) -> dict[str, str | None]:
    """By task: what is read before every text. ConfigError where it is not clear what that is."""
    tasks = _tasks(data)
    given = options.instruction
    if options.input == "text":
        return dict.fromkeys(tasks)
    if isinstance(given, str):
        given = dict.fromkeys(tasks, given)
    if given is not None and set(given) != set(tasks):
        raise ConfigError(
            f"method.instruction names {', '.join(sorted(given)) or 'no task'}; "
            f"the tasks are {', '.join(tasks)}"
        )
    found = given or {task: _system_message(task, data) for task in tasks}
    blank = [task for task, text in found.items() if not text.strip()]
    if blank:
        raise ConfigError(
            f"the task {blank[0]} has no instruction of its own (a system message); write method.instruction"
        )
    return dict(found)


def _system_message(task: str, data: Data) -> str:
    example = next(example for example in data.train if example.task == task)
    return "\n\n".join(turn.content for turn in example.turns if turn.role == "system")


def refuse_long_instructions(tokenizer: Any, before: Mapping[str, str | None], most_tokens: int) -> None:
    """ConfigError for an instruction that leaves no room for a text."""
    for task, instruction in before.items():
        n_tokens = len(token_ids(tokenizer, "", instruction))
        if instruction is not None and n_tokens >= most_tokens:
            raise ConfigError(
                f"the instruction of the task {task} takes {n_tokens} tokens, and at most {most_tokens} are "
                "read; shorten method.instruction, or raise trainer.max_tokens"
            )


def rows(
    examples: Iterable[Example],
    tokenizer: Any,
    meaning: Outputs,
    before: Mapping[str, str | None],
    most_tokens: int,
    *,
    truncate: bool,
) -> Rows:
    """The examples as tokens; one longer than `most_tokens` is left out, or cut where that is asked for."""
    found: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    for example in examples:
        place = meaning.place(example)
        ids = token_ids(tokenizer, example.text, before[example.task])
        if place is None or not ids:
            counts["unlabelled" if place is None else "blank"] += 1
            continue
        if len(ids) > most_tokens:
            counts["cut" if truncate else "too_long"] += 1
            if not truncate:
                continue
            ids = _cut(tokenizer, example.text, before[example.task], most_tokens)
        found.append({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": place})
    return Rows(found, counts["unlabelled"], counts["too_long"], counts["cut"], counts["blank"])


def _cut(tokenizer: Any, text: str, instruction: str | None, most_tokens: int) -> list[int]:
    """The beginning, with the tokens that the tokenizer puts around every text."""
    found: list[int] = tokenizer(
        shown(text, instruction), truncation=True, max_length=most_tokens, split_special_tokens=True
    )["input_ids"]
    return found


def label_weights(train: Rows, meaning: Outputs, kind: Literal["none", "balanced"]) -> Tensor:
    """(outputs,) weight of each label; their mean over the training examples of each task is 1."""
    weights = torch.ones(meaning.n)
    if kind == "none":
        return weights
    counts = Counter(row["labels"] for row in train.rows)
    for task in meaning.labels:
        start, end = meaning.span(task)
        present = [place for place in range(start, end) if counts[place]]
        n_rows = sum(counts[place] for place in present)
        for place in present:
            weights[place] = n_rows / (len(present) * counts[place])
    return weights


class TaskLoss:
    """Cross entropy of each row over its own task's outputs, summed and divided by the number of rows.

    As transformers.Trainer's `compute_loss_func`: with accumulation the rows of all batches are counted.
    """

    def __init__(self, meaning: Outputs, weights: Tensor, smoothing: float) -> None:
        self._spans = [meaning.span(task) for task in meaning.labels]
        self._weights = weights
        self._smoothing = smoothing

    def __call__(
        self, outputs: Mapping[str, Tensor], labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The loss, a scalar; logits are (rows, outputs), labels (rows,)."""
        logits = outputs["logits"].float()
        total = logits.new_zeros(())
        for start, end in self._spans:
            mine = (labels >= start) & (labels < end)
            total = total + F.cross_entropy(
                logits[mine, start:end],
                labels[mine] - start,
                weight=self._weights[start:end].to(logits.device),
                label_smoothing=self._smoothing,
                reduction="sum",
            )
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)
