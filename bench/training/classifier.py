"""Train a classifier by transformers' Trainer, calibrate it, and save an ordinary model for each task.

In: a Job and a model with the outputs of all its tasks. Out: a Trained whose folders the backend `hf` loads
with option `head: classification`: the shared weights, and of the last linear layer the task's own outputs.
Which model that is, its adapter and its quantization are the methods' business (`methods/head`, `lstm`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import nn

from bench.classifiers import HEAD_NAMES
from bench.errors import ConfigError, ModelFileError, disk_errors
from bench.hf_folder.loading import quiet
from bench.training import classification, hf_trainer
from bench.training.classification import Outputs, Rows
from bench.training.classifier_options import ClassifierOptions
from bench.training.methods import Job, TaskModel, Trained
from bench.training.temperature import validated


class Untrained(NamedTuple):
    """What training starts from."""

    model: Any
    tokenizer: Any
    meaning: Outputs
    before: Mapping[str, str | None]
    """By task: the instruction that is read before every text."""
    most_tokens: int


class Whole(NamedTuple):
    """What is saved of a trained model."""

    model: Any
    """At full precision, every weight but the adapter's in it."""
    save_adapter: Callable[[Path, Path], None] | None
    """Writes the adapter for the model in the first folder into the second."""
    quant: str
    """At what quantization the arm runs."""


def label_names(meaning: Outputs) -> dict[str, Any]:
    """`id2label` and `label2id` of a config with all outputs."""
    several = len(meaning.labels) > 1
    names = [
        f"{task}: {label}" if several else label for task in meaning.labels for label in meaning.labels[task]
    ]
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def fit(job: Job, start: Untrained, options: ClassifierOptions, whole: Callable[[Any], Whole]) -> Trained:
    """Train, go on where a killed training stopped, and save."""
    _refuse(job)
    classification.refuse_long_instructions(start.tokenizer, start.before, start.most_tokens)
    with quiet():  # a text that is too long is counted
        train, validation = (
            classification.rows(
                side,
                start.tokenizer,
                start.meaning,
                start.before,
                start.most_tokens,
                truncate=options.truncate,
            )
            for side in (job.data.train, job.data.validation)
        )
    _refuse_nothing(job, train, validation, start.most_tokens)
    _tell(job, start.meaning, train)
    start.tokenizer.padding_side = "right"
    trainer = transformers.Trainer(
        model=start.model,
        args=transformers.TrainingArguments(**_arguments(job, validation)),
        train_dataset=train.rows,
        eval_dataset=validation.rows or None,
        data_collator=transformers.DataCollatorWithPadding(start.tokenizer),
        compute_loss_func=classification.TaskLoss(
            start.meaning,
            classification.label_weights(train, start.meaning, options.class_weights),
            options.label_smoothing,
        ),
        callbacks=hf_trainer.callbacks(job),
    )
    facts = hf_trainer.run(trainer, job)
    known = validated(trainer, train, validation, start.meaning, calibrate=options.calibrate)
    done = whole(trainer.model)
    done.model.cpu()
    models = _models(job.out, done, start)
    if trainer.is_world_process_zero():
        _save(models, done, start, known.temperatures)
    hf_trainer.wait_for_everyone()
    first = models[next(iter(start.meaning.labels))]
    more = {
        "method": type(start.model).__name__,
        "examples": len(train.rows),
        "validation_examples": len(validation.rows),
        "left_out": train.left_out,
        "left_out_of_validation": validation.left_out,
        "validation_accuracy": known.accuracies,
        "temperature": known.temperatures,
        "instruction": dict(start.before),
    }
    return Trained(
        ref=first.ref,
        adapter=first.adapter,
        quant=done.quant,
        options=first.options,
        facts={**facts.as_data(), **more},
        tasks=models if len(models) > 1 else {},
    )


def _arguments(job: Job, validation: Rows) -> dict[str, Any]:
    if validation.rows:
        return hf_trainer.arguments(job)
    if job.trainer.patience is not None:
        raise ConfigError(
            "trainer.patience: no example is held out to see when to stop; give the data a validation side, "
            "or remove patience"
        )
    # raw texts may be held out all the same, which a classifier does not read
    return hf_trainer.arguments(job, eval_strategy="no", metric_for_best_model=None)


def _refuse(job: Job) -> None:
    for name in ("packing", "unsloth"):
        if getattr(job.trainer, name):
            raise ConfigError(f"a classifier is not trained with trainer.{name}; remove it")


def _refuse_nothing(job: Job, train: Rows, validation: Rows, most_tokens: int) -> None:
    for name, side, examples in (
        ("training", train, job.data.train),
        ("validation", validation, job.data.validation),
    ):
        if examples and not side.rows:
            reasons = ", ".join(f"{n} {why.replace('_', ' ')}" for why, n in side.left_out.items())
            raise ConfigError(
                f"no {name} example is left of {len(examples)} ({reasons}; at most {most_tokens} tokens); "
                "raise trainer.max_tokens, or set method.truncate"
            )


def _tell(job: Job, meaning: Outputs, train: Rows) -> None:
    """What a user would otherwise not notice."""
    if train.left_out:
        said = ", ".join(f"{n} {why.replace('_', ' ')}" for why, n in train.left_out.items())
        job.progress.note(f"{len(train.rows)} training examples; {said}")
    seen = {row["labels"] for row in train.rows}
    for task, labels in meaning.labels.items():
        absent = [label for place, label in enumerate(labels, meaning.span(task)[0]) if place not in seen]
        if absent:
            job.progress.note(f"{task}: no training example is {', '.join(absent)}")
    if job.data.texts:
        job.progress.note("a classifier reads no general text; it is left out here")


# ---------------------------------------------------------------- what is saved


def _models(out: Path, done: Whole, start: Untrained) -> dict[str, TaskModel]:
    """A folder for each task, and the adapter that all of them share."""
    several = len(start.meaning.labels) > 1
    adapter = None if done.save_adapter is None else out / "adapter"
    models: dict[str, TaskModel] = {}
    for number, (task, labels) in enumerate(start.meaning.labels.items()):
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", task)[:40]
        folder = out / (f"model-{number}-{slug}" if several else "model")
        options: dict[str, Any] = {"head": "classification", "labels": list(labels)}
        if done.model.config._attn_implementation == "eager":
            options["attention"] = "eager"  # transformers takes it where an architecture has no other
        if start.before[task] is not None:
            options["instruction"] = start.before[task]
        models[task] = TaskModel(folder, adapter, options)
    return models


def _save(
    models: Mapping[str, TaskModel],
    done: Whole,
    start: Untrained,
    temperatures: Mapping[str, float | None],
) -> None:
    start.tokenizer.chat_template = None  # it reads no conversation
    for task, found in models.items():
        labels, span = start.meaning.labels[task], start.meaning.span(task)
        with disk_errors(found.ref), quiet():
            save_task(done.model, found.ref, labels, span, temperatures[task] or 1.0)
            start.tokenizer.save_pretrained(str(found.ref))
    first = models[next(iter(models))]
    if done.save_adapter is not None and first.adapter is not None:
        with disk_errors(first.adapter):
            done.save_adapter(first.ref, first.adapter)


def save_task(
    model: Any, folder: Path, labels: tuple[str, ...], span: tuple[int, int], temperature: float
) -> None:
    """The model with one task's outputs alone, their logits divided by the temperature."""
    name, all_outputs = last_linear(model)
    own = nn.Linear(all_outputs.in_features, len(labels), all_outputs.bias is not None, dtype=torch.float32)
    with torch.no_grad():
        for target, source in zip(own.parameters(), all_outputs.parameters(), strict=True):
            target.copy_(source[slice(*span)] / temperature)
    config, before = model.config, (model.config.id2label, model.config.label2id)
    try:
        model.set_submodule(name, own)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: place for place, label in enumerate(labels)}
        model.save_pretrained(str(folder))
    finally:
        model.set_submodule(name, all_outputs)
        config.id2label, config.label2id = before


def last_linear(model: Any) -> tuple[str, Any]:
    """The layer that gives the logits, with its name; ModelFileError for a head of another form."""
    found = [
        (name, module)
        for name, module in model.named_modules()
        if name.partition(".")[0] in HEAD_NAMES and isinstance(module, nn.Linear)
    ]
    if not found or found[-1][1].out_features != model.config.num_labels:
        raise ModelFileError(
            f"the head of {type(model).__name__} does not end in a linear layer for its labels; "
            "take another base"
        )
    return found[-1]
